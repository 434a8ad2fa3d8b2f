"""Legal and surely not meant: said before it is applied, with its line."""

from collections.abc import Callable
from typing import Any

import pytest

from varco_cli.stack import Stack
from varco_common.account_file.warnings import warnings

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("document", "where", "words"),
    [
        ({"filelink": {"over": "7MB"}}, "filelink", "recipients can't open"),
        ({"filelink": {"over": "30MB"}, "rules": {"max_size": "20MB"}}, "filelink.over", "no attachment ever becomes a link"),
        ({"rules": {"max_size": "200MB"}}, "rules.max_size", "no mail over 100MiB"),
        ({"route": {"smarthost": "a:25", "tls": "none", "login": "x"}}, "route.tls", "unencrypted"),
        ({"archive": {"pop3": {"login": "A"}}, "users": [{"login": "a"}], "senders": ["a"]}, "archive.pop3.login", "also a"),
        ({"quotas": {"messages": {"limit": 0}}}, "quotas.messages", "lets nothing pass"),
        ({"quotas": {"exceptions": [{"sender": "@x", "bytes": "unlimited"}]}}, "quotas.exceptions.0.bytes", "changes nothing"),
        ({"time_zone": "Europe/Rome", "quotas": {"messages": {"limit": 5, "per": "calendar day"}}}, "quotas", "midnight UTC"),
        ({"users": [{"login": "a"}], "senders": []}, "senders", "nobody may send"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_what_is_surely_wrong_is_named(document: dict[str, Any], where: str, words: str) -> None:
    begin = "http://127.0.0.1:2080" if where == "filelink" else "https://files.acme.example"
    (warned,) = warnings(document, begin, 100 * MIB)
    assert ".".join(warned.where) == where
    assert words in warned.what


def test_a_sensible_account_is_applied_in_silence() -> None:
    document = {
        "users": [{"login": "a"}],
        "senders": ["@acme.example"],
        "rules": {"max_size": "20MB"},
        "filelink": {"over": "7MB", "base_url": "https://files.acme.example"},
        "route": {"smarthost": "a:587", "tls": "required", "login": "x"},
        "quotas": {"messages": 500, "exceptions": [{"sender": "@x", "messages": "unlimited"}]},
    }
    assert warnings(document, "http://127.0.0.1:2080", 100 * MIB) == []


def test_apply_warns_with_the_line(stack: Stack, varco: Callable[..., Any]) -> None:
    text = "account: odd\nsenders: ['@odd.example']\nfilelink:\n  over: 50MB\nrules: {max_size: 200MB}\n"
    ended = varco("apply", "-f", "-", "--dry-run", home=stack.home.path, given=text)
    assert ended.code == 0
    assert "warning: standard input, line 5, rules.max_size: the gate takes no mail over 100MiB" in ended.error
    assert "warning: standard input, line 3, filelink: links begin with http://127.0.0.1:" in ended.error
