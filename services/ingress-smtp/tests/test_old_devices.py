"""What old scanners and cron jobs send is mended, in networks whose rule says so."""

import msgspec
import pytest

from varco_common.testing.smtp import TEXT
from varco_ingress_smtp.smtp.header_repair import HeaderRepair


@pytest.fixture
async def world(start):
    world = await start()
    grant = world.policy.networks["127.0.0.1"]
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(grant, normalise=True, domain="acme.example")
    return world


def repaired(mail: bytes, domain: str = "acme.example") -> bytes:
    """The mail, line by line and in one piece."""
    by_line, whole = HeaderRepair(domain), HeaderRepair(domain)
    result = b"".join(by_line.feed(line) for line in mail.splitlines(keepends=True)) + by_line.end()
    assert result == whole.feed(mail) + whole.end()
    return result


@pytest.mark.parametrize(
    "line",
    [
        "MAIL FROM:alice@acme.example",
        "MAIL FROM: alice@acme.example SIZE=5",
        "mail from:< alice@acme.example >",
        "MAIL FROM:<alice>",
        "MAIL FROM:alice",
    ],
)
async def test_a_sender_needs_neither_brackets_nor_a_domain(world, client, line):
    assert (await client.say(line)).startswith("250 2.1.0 ")
    for recipient in ("bob@remote.example", "<root>"):
        assert (await client.say(f"RCPT TO:{recipient}")).startswith("250 2.1.5 ")
    assert (await client.data()).startswith("250 ")
    envelope = world.policy.ballots[0].envelope
    assert envelope.sender == "alice@acme.example"
    assert envelope.recipients == ("bob@remote.example", "root@acme.example")


@pytest.mark.parametrize("line", ["MAIL FROM:<a b>", "MAIL FROM:<a@b", "MAIL FROM:", "MAIL alice@acme.example"])
async def test_what_is_no_address_stays_refused(client, line):
    assert (await client.say(line)).startswith("5")


async def test_commands_may_end_in_a_bare_lf(world):
    async with world.connect() as client:
        await client.reply()
        for line, answer in (
            (b"EHLO scanner\n", "250-"),
            (b"MAIL FROM:<alice@acme.example>\n", "250 "),
            (b"RCPT TO:<bob@remote.example>\n", "250 "),
            (b"DATA\n", "354 "),
            (TEXT.replace(b"\r\n", b"\n") + b"\r\n.\r\n", "250 "),
            (b"NOOP\rNOOP\n", "500 "),
            (b"QUIT\n", "221 "),
        ):
            client.send(line)
            assert (await client.reply()).startswith(answer)


async def test_elsewhere_nothing_is_mended(start):
    world = await start()
    async with world.connect() as client:
        await client.hello()
        client.send(b"NOOP\n")
        assert (await client.reply()).startswith("500 5.5.2 ")
        assert (await client.say("MAIL FROM:alice@acme.example")).startswith("501 5.5.4 ")
        assert (await client.say("MAIL FROM:<alice>")).startswith("553 5.1.7 ")
        assert (await client.mail(b"Subject: x\r\ntext\r\n")).startswith("250 ")
        assert "header-without-colon" in world.policy.ballots[0].manifest.defects


async def test_a_mail_without_an_empty_line_or_a_header_is_stored_with_one(world, client):
    assert (await client.mail(b"From: root\nSubject: x\nHello,\nworld: it works\n\r\n")).startswith("250 ")
    assert (await client.mail(b"Toner low\r\n")).startswith("250 ")
    first, second = [stored.body for stored in await world.records()]
    assert first.endswith(b"\r\nFrom: root@acme.example\r\nSubject: x\r\n\r\nHello,\r\nworld: it works\r\n\r\n")
    assert second.endswith(b"@gate.example>\r\n\r\nToner low\r\n")
    assert [ballot.manifest.defects for ballot in world.policy.ballots] == [(), ("from-missing",)]
    assert world.policy.ballots[0].manifest.authors == ("root@acme.example",)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (b"From: root", b"From: root@acme.example"),
        (b"Sender: root", b"Sender: root@acme.example"),
        (b"from:root (Cron Daemon)", b"from:root@acme.example (Cron Daemon)"),
        (b"From: <root>", b"From: <root@acme.example>"),
        (b'From: "HP, Scanner" <scan>', b'From: "HP, Scanner" <scan@acme.example>'),
        (b"From: HP Scanner <scan>", b"From: HP Scanner <scan@acme.example>"),
        (b"From: HP Scanner\r\n <scan>", b"From: HP Scanner\r\n <scan@acme.example>"),
        (b"From root Mon Nov 30 09:00:00 2026\r\nFrom: root", b"From: root@acme.example"),
    ],
)
def test_an_unqualified_from_or_sender_gets_the_domain_of_the_rule(given, stored):
    assert repaired(given + b"\r\nTo: b\r\n\r\nFrom: x\r\n") == stored + b"\r\nTo: b\r\n\r\nFrom: x\r\n"


@pytest.mark.parametrize(
    "header",
    [
        b"From: a@b.example",
        b"From: Anna\r\n Rossi <a@b.example>",
        b"From: Anna Rossi",
        b"From: root>",
        b"From: <root",
        b"From: root, a@b.example",
        b"From:",
        b"To: root",
        b"Subject: From: root",
        b"X-Long: x\r\n\tFrom: root",
        b"From: x\r\n" + b" y\r\n" * 4_000 + b" <root>",
    ],
)
def test_every_other_header_stays_byte_for_byte(header):
    mail = header + b"\r\nDate: now\r\n\r\ntext\r\nno: field\r\n"
    assert repaired(mail) == mail


def test_without_a_domain_nothing_is_qualified():
    assert repaired(b"From: root\r\n\r\nx\r\n", "") == b"From: root\r\n\r\nx\r\n"
