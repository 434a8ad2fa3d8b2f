# ruff: noqa: E501 - a table of what is written and what is answered
"""Each mistake in an account file is one line: where, what was there, what to write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from varco_cli.account_file import parsed, read
from varco_cli.failures import Misused
from varco_cli.stack import Stack

LIBRARIES = (
    "should match", "should be", "found character", "cannot start", "Errno", "Extra inputs", "valid string", "codec",
    "not allowed here", "body.", "Value error", "block end", "while parsing", "while scanning", "not permitted",
    "could not determine", "unhashable", "JSON compliant", "serializable", "constrained", "instance of", "NoneType",
)  # fmt: skip


def complaint(text: str) -> str:
    with pytest.raises(Misused) as refusal:
        parsed("acme.yaml", text)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("account: acme.example", "acme.yaml, line 1, account: acme.example: expected small letters, digits and '-', such as acme"),
        ("account: 4711", "acme.yaml, line 1, account: put it in quotes: YAML reads it as a number"),
        ("language: it", "acme.yaml: the name of the account is missing: write account: acme"),
        ("account: acme\nuser: []", "acme.yaml, line 2, user: unknown section user: did you mean users?"),
        ("account: acme\nmax_sise: 20MB", "acme.yaml, line 2, max_sise: unknown section max_sise: did you mean max_size, which stands below rules?"),
        ("account: acme\nsenders: [@acme.example]", 'acme.yaml, line 2: put it in quotes: "@acme.example"'),
        ("account: acme\nsenders:\n  - @acme.example", 'acme.yaml, line 3: put it in quotes: "@acme.example"'),
        ("account: acme\nnotices: {sender: {it: `no`}}", 'acme.yaml, line 2: put it in quotes: "`no`"'),
        ("account: acme\nhosts: [*.acme.example]", 'acme.yaml, line 2: put it in quotes: "*.acme.example"'),
        ("account: acme\nrules:\n\tmax_size: 1MB", "acme.yaml, line 3 is indented with a tab: use spaces"),
        ("account: acme\nrules:\n  max_size: 1MB\n\tmax_recipients: 5", "acme.yaml, line 4 is indented with a tab: use spaces"),
        ("account: acme\n  language: it", "acme.yaml, line 2: a value with ': ' in it must be in quotes, and a key below another one is indented more"),
        ("account: acme\nrules:\n    max_size: 1MB\n  max_recipients: 5", "acme.yaml, line 4 is indented otherwise than the lines that belong together with it"),
        ("account: acme\nrules: {max_size: 1MB", "acme.yaml, line 2: the bracket that is opened isn't closed, or a comma is missing"),
        ("account: acme\nhosts: [a, b\nlanguage: it", "acme.yaml, line 3: the bracket that is opened in line 2 isn't closed, or a comma is missing"),
        ("account: acme\nlanguage: 'it", "acme.yaml, line 2: the quotation mark that is opened isn't closed"),
        ("account: acme\nrules: {max_size: 1MB, max_size: 2MB}", "acme.yaml, line 2: max_size is there twice: remove one of them"),
        ("account: acme\nrules\nlanguage: it", "acme.yaml, line 3: a key without a colon: write key: value"),
        ("account: acme\nnotices: {sender: {it: !no x}}", "acme.yaml, line 2: a value that begins with ! must be in quotes"),
        ('account: acme\nlanguage: "\\d"', "acme.yaml, line 2: a backslash in double quotes has a special meaning: use single quotes"),
        ("account: acme\n---\naccount: two", "acme.yaml, line 2: a second document begins: a file describes one account"),
        ("account: a\x01b", "acme.yaml, line 1: a control character stands in the file: remove it"),
        ("", "acme.yaml: it is empty"),
    ],
    ids=lambda value: repr(value) if "acme.yaml" not in value else "",
)  # fmt: skip
def test_a_file_that_cannot_be_read(text: str, line: str) -> None:
    assert complaint(text) == line


def test_files_that_are_not_there_or_not_utf8(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("account: acme\nusers:\n- {login: a, name: José}\n".encode("latin-1"))
    for file, line in (
        (tmp_path / "missing.yaml", "missing.yaml: no such file"),
        (tmp_path, "is a folder: name the account's file in it"),
        (latin, "latin.yaml, line 3 is not UTF-8: save the file as UTF-8"),
    ):
        with pytest.raises(Misused) as refusal:
            read(str(file))
        assert str(refusal.value).endswith(line)
    marked = tmp_path / "windows.yaml"
    marked.write_bytes(b"\xef\xbb\xbfaccount: acme\r\nlanguage: it\r\n")
    assert read(str(marked)).account == "acme"


HOP = "{smarthost: mx.provider.example:587, tls: required} or mx or blackhole"
ROWS = (
    ("rules: {max_sise: 20MB}", "line 2, rules.max_sise: unknown key max_sise: did you mean max_size?"),
    ("rules: {max_size: big}", "line 2, rules.max_size: big: expected a size such as 20MB, 256 KiB or 1000000"),
    ("rules: {max_size: 2GB}", "line 2, rules.max_size: 2GB: expected at most 1GB"),
    ("rules: {max_recipients: many}", "line 2, rules.max_recipients: many: expected a number, such as 100"),
    ("rules: {encrypted: refused}", "line 2, rules.encrypted: refused: expected refuse or accept: did you mean refuse?"),
    ("rules: {attachments: pdf}", "line 2, rules.attachments: pdf: expected [pdf, txt] or any"),
    ("rules: {attachments: {allow: pdf}}", "line 2, rules.attachments.allow: pdf: expected a list, such as [pdf, txt]"),
    ("rules: 5", "line 2, rules: 5: expected {max_size: 20MB}"),
    ("language: italian", "line 2, language: italian: expected it or en"),
    ("users: [{login: a, password: 12345678}]", "line 2, users.0.password: put it in quotes: YAML reads it as a number"),
    ("users: [{login: a, password: short}]", "line 2, users.0.password: expected at least 8 characters"),
    ("users: [{password: a-long-secret}]", "line 2, users.0: login is missing: write login: alice@acme.example"),
    ("users: [alice]", "line 2, users.0: alice: expected {login: alice@acme.example, password: a-long-secret}"),
    ("users: {login: a}", "line 2, users: {login: a}: expected a list, such as [{login: alice@acme.example, password: a-long-secret}]"),
    ("senders: alice@acme.example", 'line 2, senders: alice@acme.example: expected a list, such as ["@acme.example", sales@partner.example]'),
    ("senders: [acme.example]", "line 2, senders.0: 'acme.example' is no sender: write a@acme.example, @acme.example (a domain) or @.acme.example (its subdomains)"),
    ("networks: [300.0.0.0/8]", "line 2, networks.0: '300.0.0.0/8' is not a network: write 192.0.2.0/28, 2001:db8::/64 or an address"),
    ("notices: {atachment: {it: no}}", "line 2, notices.atachment: unknown name atachment: did you mean attachment?"),
    ("notices: {attachment: {fr: non}}", "line 2, notices.attachment.fr: unknown name fr: expected one of en, it"),
    ("route: host:587", f"line 2, route: host:587: expected {HOP}"),
    ("route: {smarthost: a:25, tls: always}", "line 2, route.tls: always: expected none, opportunistic or required"),
    ("route: {smarthost: a:25, tsl: none}", "line 2, route.tsl: unknown key tsl: did you mean tls?"),
    ("route: {tls: none}", "line 2, route: smarthost is missing: write smarthost: mx.provider.example:587"),
    ("filelink: on", "line 2, filelink: true: expected {over: 7MB, keep: 12 months} or off"),
    ("filelink: {keep: long}", "line 2, filelink.keep: long: expected a duration such as 30s, 10m, 1 day or 12 months"),
    ("filelink: {base_url: files}", "line 2, filelink.base_url: files: expected an address such as https://files.acme.example"),
    ("quotas: {messages: 500/day}", "line 2, quotas.messages: 500/day: expected a number, such as 500, or {limit: 500, per: 1 day}"),
    ("quotas: {bytes: 500/day}", "line 2, quotas.bytes: 500/day: expected a size such as 1GB, or {limit: 1GB, per: 1 day}"),
    ("quotas: {messages: {limit: 5, per: week}}", "line 2, quotas.messages.per: week: expected 1 hour, 1 day or calendar day"),
    ("quotas: {time_zone: Rome}", "line 2, quotas.time_zone: Rome: expected a time zone such as Europe/Rome or UTC"),
    ("quotas: {answer: 500}", "line 2, quotas.answer: 500: expected 450 or 550"),
    ("quotas: {exceptions: [{sender: a@b.example, messages: 5, until: 24/12/2026, reason: why}]}", "line 2, quotas.exceptions.0.until: 24/12/2026: expected a time such as 2026-12-24 or 2026-12-24T18:00"),
    ("quotas: {exceptions: [{sender: a@b.example, messages: 5}]}", "line 2, quotas.exceptions.0: reason is missing: write reason: Christmas letter"),
    ("archive: {forward: boss, senders_told: HR}", "line 2, archive.forward: 'boss' is no mail address: write boss@acme.example"),
    ("archive: {pop3: {login: two words}, senders_told: HR}", "line 2, archive.pop3.login: 'two words' is no login: up to 254 characters without blanks and colons"),
    ("archive: {keep: 1 minute}", "line 2, archive.keep: 1 minute: expected at least 1 hour"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "line"), ROWS, ids=[text for text, _ in ROWS])
def test_a_value_that_its_service_refuses(stack: Stack, varco: Callable[..., Any], text: str, line: str) -> None:
    ended = varco("apply", "-f", "-", "--dry-run", home=stack.home.path, given=f"account: wrong\n{text}\n")
    assert ended.code
    assert ended.error.startswith(f"standard input, {line}")
    assert not [words for words in LIBRARIES if words in ended.error]
    judged = varco("whatif", "-f", "-", home=stack.home.path, given=f"account: wrong\n{text}\n")
    assert not [words for words in LIBRARIES if words in judged.error]


def test_a_folder_without_a_gate_is_named(varco: Callable[..., Any], tmp_path: Path) -> None:
    for arguments in (("apply", "-f", "-"), ("show", "acme"), ("whatif", "-f", "-")):
        ended = varco(*arguments, home=tmp_path, given="account: acme\n")
        assert ended.code == 3
        assert ended.error.startswith(f"no stack runs in {tmp_path}: start one with `varco up`")
