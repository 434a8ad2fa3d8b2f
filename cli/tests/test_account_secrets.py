"""Secrets of an account file come from files beside it."""

from pathlib import Path

import pytest

from varco_cli.account_file import read
from varco_cli.failures import Misused
from varco_common.account_file.owners import OWNERS, body

ROUTE = """\
account: acme
route:
  smarthost: smtp.office365.com:587
  tls: required
  login: gate@acme.example
  oauth: {provider: microsoft, tenant: acme.example, client_id: gate, %s}
"""
RULES = """\
account: acme
routes:
  - senders: ["@acme.example"]
    smarthosts: [{smarthost: "mx.example:587", login: a, oauth: {provider: google, service_account_file: key.json}}]
"""


def written(folder: Path, text: str) -> str:
    (folder / "acme.yaml").write_text(text)
    return str(folder / "acme.yaml")


def test_a_file_beside_the_account_file_becomes_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("\ufeffs3cret\r\n", encoding="utf-8")
    file = read(written(tmp_path, ROUTE % "client_secret_file: secret.txt"))
    (relay,) = (owner for owner in OWNERS if owner.sections == ("route",))
    oauth = {"provider": "microsoft", "tenant": "acme.example", "client_id": "gate", "client_secret": "s3cret"}
    assert body(relay, file.sections)["oauth"] == oauth


def test_it_is_found_in_lists_too(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"type": "service_account"}')
    (rule,) = read(written(tmp_path, RULES)).sections["routes"]
    assert rule["smarthosts"][0]["oauth"]["service_account"] == '{"type": "service_account"}'


@pytest.mark.parametrize(
    ("keys", "content", "complaint"),
    [
        ("client_secret_file: missing.txt", b"", "line 6, route.oauth.client_secret_file: .*missing.txt can't be read"),
        ("client_secret_file: secret.txt", b" \n", "is empty"),
        ("client_secret_file: secret.txt", b"x" * 70_000, "too large"),
        ("client_secret_file: secret.txt", b"\xff\xfe\xff", "is not text"),
        ("client_secret_file: 5", b"", "expected the name of a file"),
        ("client_secret_file: secret.txt, client_secret: x", b"s", "not both"),
        ("client_secret_file: /etc/hostname", b"", "is not in the folder"),
        ("client_secret_file: ../secret.txt", b"", "is not in the folder"),
        ("client_secret_file: link.txt", b"", "is not in the folder"),
    ],
)
def test_what_is_no_secret_is_told_with_its_line(tmp_path: Path, keys: str, content: bytes, complaint: str) -> None:
    (tmp_path / "secret.txt").write_bytes(content)
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    with pytest.raises(Misused, match=complaint):
        read(written(tmp_path, ROUTE % keys))
