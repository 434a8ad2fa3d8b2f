"""A command never reports a success that is none, and never takes what cannot be meant."""

import json
import time
from pathlib import Path

import pytest

from varco_cli.stack import Ports, Stack
from varco_cli.stack.trial_account import open_trial
from varco_common.testing.waiting import eventually

from .conftest import Varco

FILE = """\
account: honest
users: [{login: joe@honest.example, password: a-long-secret}]
senders: ["@honest.example"]
networks: ["198.51.100.7", "2001:db8:7::/48", {network: 198.51.100.128/25, normalise: true, domain: honest.example}]
filelink: {over: 8MB, base_url: "https://files.honest.example"}
"""


@pytest.fixture(scope="module")
def home(stack: Stack) -> Path:
    return stack.home.path


@pytest.fixture
def honest(home: Path, varco: Varco) -> Path:
    assert varco("apply", "-", "--yes", "--prune", home=home, given=FILE).code == 0
    return home


def test_only_a_token_that_is_there_is_revoked(honest: Path, varco: Varco) -> None:
    before = varco("events", "list", "--fact", "token-revoked", "--json", home=honest).out
    for arguments in (("nonsense",), ("0" * 20,), ("nonsense", "--account", "honest"), ("nonsense", "--unlisted")):
        ended = varco("tokens", "revoke", *arguments)
        assert ended.code == 1, arguments
        assert "is revoked" not in ended.out
    assert varco("events", "list", "--fact", "token-revoked", "--json").out == before


def test_a_token_of_an_account_is_revoked_without_naming_the_account(honest: Path, varco: Varco) -> None:
    issued = json.loads(varco("tokens", "issue", "theirs", "--account", "honest", "--json", home=honest).out)
    assert varco("tokens", "revoke", issued["id"]).code == 0
    listed = json.loads(varco("tokens", "list", "--account", "honest", "--json").out)
    assert issued["id"] not in [token["id"] for token in listed]


def test_a_token_that_no_list_has_is_revoked_on_purpose(honest: Path, varco: Varco) -> None:
    lost = "06d2k3m8s1x7v0c2b9qa"
    assert varco("tokens", "revoke", lost, home=honest).code == 1
    assert varco("tokens", "revoke", lost, "--unlisted").out == f"{lost} is revoked\n"


@pytest.mark.parametrize(
    "sender", ["sales@@partner", "a@b@c.example", "@", "@-.example", 'a"b@c.example', "a b@c.example"]
)
def test_no_sender_is_taken_that_no_mail_can_have(honest: Path, varco: Varco, sender: str) -> None:
    ended = varco("senders", "add", "honest", sender, home=honest)
    assert ended.code in (1, 2)
    assert "is no sender" in ended.error


def test_a_quoted_local_part_is_a_sender(honest: Path, varco: Varco) -> None:
    assert varco("senders", "add", "honest", '"front desk"@honest.example', home=honest).code == 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("events", "list", "--fact", "nonsense"), "expected one of"),
        (("events", "list", "--fact", "mail-refusd"), "did you mean mail-refused?"),
        (("events", "tail", "--service", "rely"), "did you mean relay?"),
        (("events", "export", "-", "--fact", "nonsense"), "expected one of"),
        (("deadletters", "list", "--service", "rely"), "did you mean relay?"),
        (("links", "list", "--state", "nonsense"), "live"),
    ],
)
def test_a_filter_that_nothing_can_match_is_wrong(
    honest: Path, varco: Varco, arguments: tuple[str, ...], hint: str
) -> None:
    ended = varco(*arguments, home=honest)
    assert ended.code == 2
    assert hint in ended.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("quota", "set", "nobody", "messages=5"),
        ("quota", "list", "nobody"),
        ("quota", "except", "nobody", "a@b.example", "messages=5", "--reason", "a test"),
        ("quota", "reset", "a@b.example", "--account", "nobody", "--reason", "a test"),
        ("archive", "enable", "nobody", "--forward", "a@b.example", "--senders-told", "yes"),
        ("archive", "search", "nobody"),
        ("routes", "set", "nobody", "blackhole"),
        ("queue", "list", "--account", "nobody"),
        ("queue", "hold", "--account", "nobody"),
        ("links", "list", "--account", "nobody"),
        ("events", "list", "--account", "nobody"),
        ("audit", "balance", "--account", "nobody"),
        ("state", "--account", "nobody", "--at", "1s"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_an_account_that_is_not_there_is_no_success(honest: Path, varco: Varco, arguments: tuple[str, ...]) -> None:
    ended = varco(*arguments, home=honest)
    assert ended.code == 1
    assert "no account nobody" in ended.error or "no such account: nobody" in ended.error


@pytest.mark.parametrize("verb", ["list", "export"])
def test_a_time_that_ends_before_it_begins_is_wrong(honest: Path, varco: Varco, verb: str) -> None:
    ended = varco("events", verb, "--since", "1d", "--until", "2d", home=honest)
    assert ended.code == 2
    assert "nothing lies between" in ended.error


def test_the_ban_log_is_json_for_programs(honest: Path, varco: Varco) -> None:
    varco("bans", "add", "203.0.113.9", "--reason", "a test", home=honest)

    def banned() -> list[dict[str, str]]:
        lines = varco("bans", "log", "--ip", "203.0.113.9", "--json").out.splitlines()
        return [json.loads(line) for line in lines]

    end = time.monotonic() + 60
    while not (records := banned()):
        assert time.monotonic() < end
    assert records[0] | {"at": ""} == {"at": "", "jail": "smtp", "network": "203.0.113.9", "what": "banned"}
    assert records[0]["at"].endswith("+00:00")


def test_a_past_state_is_in_the_words_of_the_file(honest: Path, varco: Varco) -> None:
    answer = json.loads(varco("state", "--account", "honest", "--at", "1ms", "--json", home=honest).out)
    values = {item["key"]: item["value"] for item in answer["items"] if item["section"] == "filelink"}
    assert values["signed"] == "send"
    shown = varco("show", "honest").out
    assert varco("apply", "-", given=f"{shown}").out == "no difference: it is so already\n"


def test_what_if_reports_nothing_that_is_so_already(honest: Path, varco: Varco) -> None:
    assert varco("networks", "trust", "honest", "32.0.0.0/7", "--force", "--reason", "a test", home=honest).code == 0
    answer = json.loads(varco("whatif", "-", "--json", given=varco("show", "honest").out).out)
    assert [line for line in answer["found"] if line["line"] == "change"] == []
    added = FILE.replace('"198.51.100.7"', '"198.51.100.7", "198.51.100.9"')
    answer = json.loads(varco("whatif", "-", "--json", given=added).out)
    changes = [line["text"] for line in answer["found"] if line["line"] == "change"]
    assert "+ network 198.51.100.9/32" in changes
    assert not [text for text in changes if text.startswith("+ network") and "198.51.100.9" not in text]


async def test_a_closed_trial_account_is_no_longer_advertised(tmp_path: Path) -> None:
    async with Stack(tmp_path / "var", ports=Ports.free()) as stack:
        trial = await open_trial(stack)
        assert trial
        assert await open_trial(stack) == trial
        async with stack.client("policy") as policy:
            (await policy.delete("/accounts/demo", params={"reason": "not needed"})).raise_for_status()

        async def is_gone() -> bool:
            return await open_trial(stack) is None

        await eventually(is_gone)
