import pytest

from varco_cli.account_file import parsed
from varco_cli.failures import Misused
from varco_common.account_file.owners import OWNERS, body
from varco_common.base.merge_patch import is_off

ACME = """\
account: acme
users:
  - {login: alice@acme.example, password: a-long-secret}
  - login: bob@acme.example
    password: short
rules:
  max_size: 20MB
filelink: off
route: blackhole
"""


def test_everything_has_its_line() -> None:
    file = parsed("acme.yaml", ACME)
    assert file.place(["users", "1", "password"]) == "acme.yaml, line 5, users.1.password"
    assert file.place(["rules", "max_size"]) == "acme.yaml, line 7, rules.max_size"
    assert file.place(["rules", "not_there"]) == "acme.yaml, line 6, rules"
    assert file.place([]) == "acme.yaml, line 1"


def test_off_is_off() -> None:
    assert is_off(parsed("acme.yaml", ACME).sections["filelink"])


def test_each_owner_gets_its_sections() -> None:
    file = parsed("acme.yaml", ACME)
    bodies = {owner.path.rpartition("/")[2]: body(owner, file.sections) for owner in OWNERS}
    assert set(bodies["{account}"]) == {"users", "rules"}
    assert bodies["route"] == "blackhole"
    assert bodies["routes"] == bodies["archive"] == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is empty"),
        ("- acme", "expected sections"),
        ("language: it", "the name of the account is missing"),
        ("account: acme\nquota: 5", "line 2, quota: unknown section quota: did you mean quotas"),
        ("account: acme\nrules: {max_size: 1MB}\nrules: {max_size: 2MB}", "line 3: rules is there twice"),
        ("account: acme\nrules: {max_size: 1MB, max_size: 2MB}", "line 2: max_size is there twice"),
        ("account: acme\nrules: {max_size", "line 2"),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(Misused, match=complaint):
        parsed("acme.yaml", text)
