"""Histories say who by a name."""

import json
import time

import pytest

from varco_cli.stack import Stack

from .conftest import Ended, Varco

FILE = "account: named\nsenders: ['@named.example']\nusers: [{login: joe@named.example, password: a-long-secret}]\n"


@pytest.fixture
def changer(stack: Stack, varco: Varco, clean: pytest.MonkeyPatch) -> str:
    """Account `named` of the first admin was changed by a token called `night-script`: its id."""
    home = stack.home.path
    assert varco("apply", "-", "--yes", "--prune", home=home, given=FILE).code == 0
    issued = json.loads(varco("tokens", "issue", "night-script", "--json").out)
    clean.setenv("VARCO_TOKEN", issued["token"])
    varco("senders", "add", "named", "sales@named.example")
    varco("bans", "add", "203.0.113.77", "--reason", "scans")
    clean.delenv("VARCO_TOKEN")
    assert varco("tokens", "revoke", issued["id"]).code == 0, "its name outlives it"
    return f"token:{issued['id']}"


def until_told(varco: Varco, words: str, *command: str) -> Ended:
    """audit indexes an event a moment later, and on a busy machine it may not answer at once."""
    shown, end = varco(*command), time.monotonic() + 60
    while words not in shown.out and time.monotonic() < end:
        shown = varco(*command)
    assert words in shown.out, shown.error
    return shown


@pytest.mark.parametrize(
    "command",
    [
        ("state", "--account", "named", "--at", "1ms"),
        ("events", "list", "--account", "named", "--fact", "sender-authorised"),
        ("bans", "list"),
        ("bans", "show", "203.0.113.77"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_who_is_a_name_for_people_and_an_id_for_programs(changer: str, varco: Varco, command: tuple[str, ...]) -> None:
    shown = until_told(varco, "night-script", *command)
    assert shown.code == 0
    assert changer not in shown.out
    until_told(varco, changer, *command, "--json")


@pytest.mark.usefixtures("changer")
def test_the_first_token_which_no_event_issued_is_the_admins(varco: Varco) -> None:
    lines = varco("events", "list", "--account", "named", "--fact", "account-opened").out.splitlines()
    assert "by=admin" in lines[0]
