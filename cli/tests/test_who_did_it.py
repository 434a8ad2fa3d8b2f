"""Histories say who by a name."""

import json
import time
from pathlib import Path

import pytest

from varco_cli.stack import Stack

from .conftest import Varco

FILE = "account: named\nsenders: ['@named.example']\nusers: [{login: joe@named.example, password: a-long-secret}]\n"


@pytest.fixture
def home(stack: Stack, varco: Varco, clean: pytest.MonkeyPatch) -> Path:
    """An account that the first admin made, and that a token called `night-script` changed."""
    home = stack.home.path
    assert varco("apply", "-", "--yes", "--prune", home=home, given=FILE).code == 0
    issued = json.loads(varco("tokens", "issue", "night-script", "--json").out)
    clean.setenv("VARCO_TOKEN", issued["token"])
    varco("senders", "add", "named", "sales@named.example")
    varco("bans", "add", "203.0.113.77", "--reason", "scans")
    clean.delenv("VARCO_TOKEN")
    assert varco("tokens", "revoke", issued["id"]).code == 0, "its name outlives it"
    return home


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
def test_who_is_a_name_for_people_and_an_id_for_programs(home: Path, varco: Varco, command: tuple[str, ...]) -> None:
    shown = varco(*command, home=home)
    end = time.monotonic() + 60  # audit indexes an event a moment after it was answered
    while "night-script" not in shown.out and time.monotonic() < end:
        shown = varco(*command, home=home)
    assert shown.code == 0
    assert "night-script" in shown.out
    assert "token:" not in shown.out
    assert "token:" in varco(*command, "--json").out


def test_the_first_token_which_no_event_issued_is_the_admins(home: Path, varco: Varco) -> None:
    lines = varco("events", "list", "--account", "named", "--fact", "account-opened", home=home).out.splitlines()
    assert "by=admin" in lines[0]
