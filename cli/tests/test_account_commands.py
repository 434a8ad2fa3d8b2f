"""Logins, rules and exceptions: what is asked, and what changes."""

import json
from pathlib import Path

import pytest

from varco_cli.stack import Stack

from .conftest import Varco

FILE = """\
account: office
users: [{login: joe@office.example, password: a-long-secret}, {login: ann@office.example, password: a-long-secret}]
senders: ["@office.example"]
rules: {attachments: {allow: [pdf, txt]}}
"""


@pytest.fixture
def office(stack: Stack, varco: Varco) -> Path:
    home = stack.home.path
    assert varco("apply", "-", "--yes", "--prune", home=home, given=FILE).code == 0
    return home


@pytest.mark.parametrize(
    "command",
    [
        ("users", "remove", "office", "joe@office.example"),
        ("accounts", "close", "office", "--reason", "a test"),
        ("archive", "disable", "office"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_is_lost_for_good_is_asked_for(office: Path, varco: Varco, command: tuple[str, ...]) -> None:
    before = varco("show", "office", home=office).out
    ended = varco(*command, home=office)
    assert ended.code == 2
    assert "--yes" in ended.error
    assert varco("show", "office").out == before


def test_with_yes_nobody_is_asked(office: Path, varco: Varco) -> None:
    assert varco("users", "remove", "office", "ann@office.example", "--yes", home=office).code == 0
    assert "ann" not in varco("users", "list", "office").out
    assert varco("apply", "-", "--yes", home=office, given="account: leaving\n").code == 0
    assert varco("accounts", "close", "leaving", "--reason", "a test", "--yes").code == 0
    assert varco("show", "leaving").code == 1


def test_a_login_is_disabled_and_enabled(office: Path, varco: Varco) -> None:
    user = ("office", "joe@office.example")
    assert varco("users", "disable", *user, home=office).out == "~ user joe@office.example disabled\n"
    assert varco("users", "disable", *user).out == "no difference: it is so already\n"
    assert "disabled: true" in varco("show", "office").out
    assert varco("users", "enable", *user).out == "~ user joe@office.example enabled\n"
    assert varco("users", "disable", "office", "nobody@office.example").code == 1


def test_single_extensions_are_added_and_removed(office: Path, varco: Varco) -> None:
    rules = ("rules", "set", "office", "--attachments")
    assert varco(*rules, "+zip,-txt", home=office).out == "~ rules attachments: pdf txt -> pdf zip\n"
    assert varco(*rules, "+zip").out == "no difference: it is so already\n"
    assert varco(*rules, "-exe").code == 1
    assert varco(*rules, "+zip,pdf").code == 2
    assert varco(*rules, "pdf,txt").out == "~ rules attachments: pdf zip -> pdf txt\n"


def test_a_sender_may_attach_more_for_a_while(office: Path, varco: Varco) -> None:
    ask = ("rules", "except", "office", "cad@office.example")
    assert varco(*ask, "dwg,zip", "--until", "30d", "--reason", "a tender", home=office).code == 0
    rules = json.loads(varco("rules", "show", "office", "--json").out)
    (entry,) = rules["exceptions"]
    assert (entry["sender"], entry["attachments"], entry["reason"]) == (
        "cad@office.example",
        {"allow": ["dwg", "zip"]},
        "a tender",
    )
    assert "dwg, zip" in varco("rules", "show", "office").out
    assert varco(*ask, "zip", "--until", "2020-01-01", "--reason", "too late").code == 1
    assert varco(*ask, "zip", "--until", "whenever", "--reason", "a test").code == 2
    assert varco(*ask, "--reason", "a test").code == 2
    assert varco(*ask, "zip").code == 2, "no reason"
    state = json.loads(varco("state", "--account", "office", "--at", "1ms", "--json").out)
    assert "cad@office.example" in [item["key"] for item in state["items"]]
    assert varco(*ask, "--remove", "--reason", "over").code == 0
    assert json.loads(varco("rules", "show", "office", "--json").out)["exceptions"] == []


def test_the_end_of_a_quota_exception_is_a_time_as_people_write_it(varco: Varco, office: Path) -> None:
    ask = ("quota", "except", "office", "news@office.example", "messages=5", "--reason", "a test", "--until")
    refused = varco(*ask, "24/12/2026", home=office)
    assert refused.code == 2
    assert "--until 24/12/2026: expected how long (30d, 12h) or a time such as 18:00, 2026-11-24" in refused.error
    for until in ("30m", "23:59", "2036-12-24"):
        assert varco(*ask, until, home=office).code == 0, until
