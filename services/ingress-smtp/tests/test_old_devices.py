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


LF_TEXT = TEXT.replace(b"\r\n", b"\n")


async def begin(client, ending: bytes) -> None:
    """The session up to 354, in lines that end so."""
    await client.reply()
    for line in (b"EHLO scanner", b"MAIL FROM:<alice@acme.example>", b"RCPT TO:<bob@remote.example>", b"DATA"):
        client.send(line + ending)
        assert (await client.reply())[:3] in ("250", "354")


@pytest.mark.parametrize(
    ("text", "end"),
    [(LF_TEXT, b".\n"), (LF_TEXT, b".\r\n"), (TEXT, b".\r\n"), (TEXT, b".\n"), (b"", b".\n"), (b"", b".\r\n")],
)
@pytest.mark.parametrize("piece", [1, 1_000])
async def test_who_speaks_in_bare_lf_also_ends_a_mail_so(world, text, end, piece):
    async with world.connect() as client:
        await begin(client, b"\n")
        for start in range(0, len(text + end), piece):
            client.send((text + end)[start : start + piece])
            await client.writer.drain()
        assert (await client.reply()).startswith("250 ")
        client.send(b"MAIL FROM:<alice@acme.example>\nRCPT TO:<carol@remote.example>\n")
        assert (await client.reply()).startswith("250 ")
        assert (await client.reply()).startswith("250 ")
    [record] = await world.records()
    assert record.body.endswith(TEXT if text else b"\r\n")


async def test_a_large_body_in_bare_lf_ends_where_its_dot_is(world):
    text = LF_TEXT + (b"x" * 76 + b"\n") * 8_000 + b"..\n"
    async with world.connect() as client:
        await begin(client, b"\n")
        client.send(text + b".\nNOOP\n")
        assert (await client.reply()).startswith("250 2.0.0 Ok: queued")
        assert (await client.reply()).startswith("250 2.0.0 Ok")
    [record] = await world.records()
    assert record.body.endswith(text[-1_000:].replace(b"\n", b"\r\n"))


SMUGGLED = b"MAIL FROM:<ceo@acme.example>\r\nRCPT TO:<bob@remote.example>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r.\r", b"\n.\r", b"\r.\n"])
async def test_who_speaks_in_crlf_has_no_other_end_also_where_lines_are_mended(world, end):
    """Such as a relay in the network that passes a stranger's text on as it is."""
    async with world.connect() as client:
        await begin(client, b"\r\n")
        client.send(TEXT + b"text" + end + SMUGGLED)
        assert (await client.reply()).startswith("250 ")
        assert (await client.say("NOOP")).startswith("250 2.0.0 Ok\r\n")
    [record] = await world.records()
    assert b"MAIL FROM:<ceo@acme.example>" in record.body
    assert b"\r\n.\r\n" not in record.body


@pytest.mark.parametrize("end", [b"\n..\n", b"\n. \n", b"\r.\r", b"\n.\rx\n", b"\n.\r\r\n"])
async def test_only_a_line_with_nothing_but_a_dot_is_the_end(world, end):
    """A client doubles a dot at the start of its lines, so that no text of a mail is one."""
    async with world.connect() as client:
        await begin(client, b"\n")
        client.send(LF_TEXT + b"text" + end + b"more\n.\n")
        assert (await client.reply()).startswith("250 ")
        assert (await client.say("NOOP")).startswith("250 2.0.0 Ok\r\n")
    [record] = await world.records()
    assert record.body.endswith(b"more\r\n")
    assert b"\r\n.\r\n" not in record.body


async def test_a_login_from_such_a_network_has_no_such_end(world):
    """The rule is the network's: whoever logs in is an account's mail client."""
    async with world.connect() as client:
        await client.hello()
        await client.start_tls(world.trust)
        await client.say("EHLO me")
        assert (await client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).startswith("235 ")
        client.send(b"NOOP\n")
        assert (await client.reply()).startswith("500 5.5.2 ")
