"""Every table fits a terminal of 80 columns, and breaks no id, address or link."""

import re
from pathlib import Path

import pytest

from varco_cli.stack import Stack

from .conftest import Varco

LONG = "a-rather-long-name-of-an-account"
FILE = f"""\
account: {LONG}
users: [{{login: "a.rather.long.name@subsidiary.{LONG}.example", password: a-long-secret}}]
senders: ["@{LONG}.example", "someone.with.a.long.name@subsidiary.{LONG}.example"]
networks: ["2001:db8:1234:5678::/64", "203.0.113.240/28"]
route: {{smarthost: "smtp-relay-number-one.provider.example:587", tls: required}}
quotas: {{messages: 500, account: {{recipients: 10000}}}}
"""


@pytest.fixture
def home(stack: Stack, varco: Varco) -> Path:
    home = stack.home.path
    assert varco("apply", "-", "--yes", home=home, given=FILE).code == 0
    return home


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("accounts", "list"),
        ("users", "list", LONG),
        ("senders", "list", LONG),
        ("networks", "list", LONG),
        ("rules", "show", LONG),
        ("routes", "list"),
        ("routes", "show", LONG),
        ("notices", "list", LONG),
        ("quota", "list", LONG),
        ("quota", "top"),
        ("queue", "list"),
        ("bans", "list"),
        ("bans", "rules"),
        ("bans", "ignored"),
        ("tokens", "list"),
        ("archive", "status"),
        ("links", "list"),
        ("deadletters", "list"),
        ("audit", "balance"),
        ("state", "--account", LONG, "--at", "1ms"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_it_fits(home: Path, varco: Varco, clean: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    wide = varco(*command, home=home).out
    clean.setenv("COLUMNS", "80")
    narrow = varco(*command, home=home).out
    for line in narrow.splitlines():
        assert len(line) <= 80 or len(line.split()) <= 2, line
    words = re.compile(r"[\w.:@/-]{12,}")
    assert {*words.findall(narrow)} >= {word for word in words.findall(wide) if not re.search(r"\d\d:\d\d:\d\d", word)}
