"""What an account file means at every level, over a real stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from varco_cli.stack import Stack

FULL = {
    "language": "it",
    "hosts": ["smtp.NAME.example", "mail.NAME.example"],
    "users": [
        {"login": "alice@NAME.example", "name": "Alice", "password": "a-long-secret"},
        {"login": "bob@NAME.example", "password": "another-secret"},
    ],
    "senders": ["@NAME.example", "sales@partner-NAME.example"],
    "networks": [{"network": "NETWORK", "normalise": True, "domain": "NAME.example"}],
    "rules": {"max_size": "10MB", "max_recipients": 50, "attachments": ["pdf", "zip"], "encrypted": "accept"},
    "notices": {"attachment": {"it": "Niente {name}", "en": "No {name}"}, "sender": {"it": "Tu no"}},
    "route": {"smarthost": "mx.provider.example:587", "tls": "required", "login": "relay", "password": "s3cret-s3cret"},
    "quotas": {
        "messages": {"limit": 500, "per": "1 hour"},
        "bytes": "1GB",
        "account": {"messages": 5000, "recipients": 9000},
        "time_zone": "Europe/Rome",
        "answer": 550,
        "exceptions": [
            {
                "sender": "news@NAME.example",
                "messages": 5000,
                "bytes": "unlimited",
                "until": "2099-12-24",
                "reason": "letter",
            },
            {"sender": "@lists.NAME.example", "messages": "unlimited", "reason": "the lists"},
        ],
    },
    "filelink": {"over": "8MB", "keep": "6 months", "base_url": "https://files.NAME.example", "signed": "refuse"},
    "archive": {
        "pop3": {"login": "archive@NAME.example", "password": "a-long-secret"},
        "forward": {"to": "boss@NAME.example", "form": "journal", "return_path": "post@NAME.example"},
        "keep": "5 days",
        "copy": "sent",
        "senders_told": "HR, 2026-11-02",
    },
}
LINKS = ", kept 6 months, at https://files.NAME.example"
JOURNAL = "journal, bounces to post@NAME.example"
FORWARD = f"~ archive forward boss@NAME.example ({JOURNAL})"
HOP = "mx.provider.example:587"
BOB = "bob@ACCOUNT.example"
_made: list[str] = []


@pytest.fixture
def full(stack: Stack, varco: Callable[..., Any]) -> Callable[..., Any]:
    """A new account with every key, and `varco` for its gate. Files name it `ACCOUNT`."""
    name = f"full{len(_made)}"
    _made.append(name)
    text = json.dumps(FULL).replace("NAME", name).replace("NETWORK", f"198.18.{len(_made)}.0/24")

    def run(*arguments: str, given: str = "") -> Any:
        return varco(
            *[a.replace("ACCOUNT", name) for a in arguments], home=stack.home.path, given=given.replace("ACCOUNT", name)
        )

    opened = run("apply", "-f", "-", "--yes", given=yaml.safe_dump({"account": name, **json.loads(text)}))
    assert opened.code == 0, opened.error
    return run


def applied(full: Callable[..., Any], text: str, *options: str) -> list[str]:
    ended = full("apply", "-f", "-", *options, given=f"account: ACCOUNT\n{text}\n")
    assert ended.code == 0, ended.error
    return [line for line in ended.out.splitlines() if not line.startswith("applied to")]


@pytest.mark.parametrize("section", [*FULL])
def test_a_section_that_names_nothing_changes_nothing(full: Callable[..., Any], section: str) -> None:
    if isinstance(FULL[section], dict):
        assert applied(full, f"{section}: {{}}") == ["no difference: it is so already"]


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ("rules: {max_size: 20MB}", "~ rules max_size: 10MB -> 20MB"),
        ("rules: {attachments: {allow: [pdf, zip, txt]}}", "~ rules attachments: pdf zip -> pdf zip txt"),
        ("rules: {max_size: null}", "~ rules max_size: 10MB -> 20MB"),
        ("rules: {encrypted: off}", "~ rules encrypted: accept -> refuse"),
        ("language: null", "~ language it -> en"),
        ("notices: {attachment: {it: Mai}}", "~ notice attachment (it)"),
        ("notices: {attachment: {it: off}}", "- notice attachment (it)"),
        ("notices: {sender: null}", "- notice sender (it)"),
        ("route: {tls: opportunistic}", f"~ route {HOP} tls required as relay -> {HOP} tls opportunistic as relay"),
        ("route: {password: another-s3cret}", "~ route password changed"),
        ("route: {login: null}", f"~ route {HOP} tls required as relay -> {HOP} tls required"),
        ("route: null", "- route mx.provider.example:587 tls required as relay"),
        ("quotas: {messages: 400}", "~ quotas messages: 500 messages per 1 hour -> 400 messages per 1 hour"),
        ("quotas: {messages: {per: 1 day}}", "~ quotas messages: 500 messages per 1 hour -> 500 messages per 1 day"),
        ("quotas: {bytes: unlimited}", "~ quotas bytes: 1GB per 1 day -> unlimited"),
        ("quotas: {account: {messages: null}}", "~ quotas account messages: 5000 messages per 1 day -> unlimited"),
        ("quotas: {time_zone: null}", "~ quotas time zone: Europe/Rome -> UTC"),
        ("quotas: {answer: 450}", "~ quotas answer: 550 -> 450"),
        ("filelink: {over: 9MB}", f"~ filelink over 8MB{LINKS}, signed ones refused -> over 9MB{LINKS}, signed ones refused"),
        ("filelink: {signed: null}", f"~ filelink over 8MB{LINKS}, signed ones refused -> over 8MB{LINKS}"),
        ("filelink: off", "- filelink off"),
        ("archive: {keep: 6 days}", "~ archive keep 5 days -> 6 days"),
        ("archive: {forward: {return_path: null}}", f"{FORWARD} -> boss@NAME.example (journal)"),
        ("archive: {forward: two@NAME.example}", f"{FORWARD} -> two@NAME.example ({JOURNAL})"),
        ("archive: {forward: off}", "- archive forward boss@NAME.example (journal, bounces to post@NAME.example)"),
        ("archive: {copy: null}", "~ archive copy sent -> given"),
    ],
    ids=lambda value: "" if value.startswith(("~", "-")) else value,
)  # fmt: skip
def test_what_is_left_out_stays_and_null_removes(full: Callable[..., Any], text: str, difference: str) -> None:
    name = _made[-1]
    assert applied(full, text.replace("NAME", name), "--yes") == [difference.replace("NAME", name)]


def test_what_an_entry_of_a_list_leaves_out_stays(full: Callable[..., Any]) -> None:
    text = f"""\
users: [{{login: alice@ACCOUNT.example}}, {{login: bob@ACCOUNT.example}}]
networks: [198.18.{len(_made)}.0/24]
quotas: {{exceptions: [{{sender: news@ACCOUNT.example}}, {{sender: "@lists.ACCOUNT.example", reason: the new lists}}]}}
"""
    assert applied(full, text, "--yes") == [
        f"~ quota exception @lists.{_made[-1]}.example messages: unlimited",
    ]


@pytest.mark.parametrize(
    ("text", "losses"),
    [
        ("senders: ['@ACCOUNT.example']", "removes sender sales@partner-ACCOUNT.example"),
        ("hosts: [smtp.ACCOUNT.example]", "removes host mail.ACCOUNT.example"),
        ("networks: off", "removes network 198.18."),
        ("rules: {attachments: [pdf]}", "removes attachments zip"),
        ("quotas: {exceptions: []}", "removes quota exception news@ACCOUNT.example, quota exception @lists.ACCOUNT.example"),
        ("quotas: off", "removes quota exception news@ACCOUNT.example, quota exception @lists.ACCOUNT.example"),
        ("users: [{login: alice@ACCOUNT.example}]", f"removes user {BOB} and destroys the password of {BOB}"),
        ("archive: {pop3: off}", "destroys the mailbox archive@ACCOUNT.example with its copies"),
        ("archive: {keep: 3 days}", "destroys the copies that are older than 3 days"),
        ("archive: off", "destroys the mailbox archive@ACCOUNT.example with its copies"),
    ],
    ids=lambda value: "" if value.startswith(("removes", "destroys")) else value,
)  # fmt: skip
def test_what_is_lost_is_named_and_needs_more_than_yes(full: Callable[..., Any], text: str, losses: str) -> None:
    file = f"account: ACCOUNT\n{text}\n"
    refused = full("apply", "-f", "-", "--yes", given=file)
    assert refused.code == 2
    assert f"give --prune to apply; the file {losses}".replace("ACCOUNT", _made[-1]) in refused.error
    assert full("apply", "-f", "-", given=file).code == 2
    assert full("apply", "-f", "-", "--yes", "--prune", given=file).code == 0
    assert full("apply", "-f", "-", given=file).out == "no difference: it is so already\n"


def test_the_statement_about_the_senders_stays_while_mail_is_copied(full: Callable[..., Any]) -> None:
    refused = full("apply", "-f", "-", "--yes", given="account: ACCOUNT\narchive: {senders_told: null}\n")
    assert "senders must be told" in refused.error
