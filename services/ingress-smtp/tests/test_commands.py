"""The session's manners: greeting, extensions, errors, pipelining."""

import string

import pytest

from varco_common.testing.smtp import TEXT
from varco_ingress_smtp.smtp import path_parser


async def test_ehlo_offers_what_the_design_lists_and_auth_only_inside_tls(world):
    async with world.connect() as client:
        assert await client.reply() == "220 gate.example ESMTP Varco\r\n"
        plain = (await client.say("EHLO me")).split("\r\n")
        assert [line[4:] for line in plain[1:-1]] == [
            "PIPELINING",
            f"SIZE {world.settings.max_size}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "DSN",
            "STARTTLS",
        ]
        await client.start_tls(world.trust)
        inside = await client.say("EHLO me")
        assert "250 AUTH PLAIN LOGIN" in inside
        assert "STARTTLS" not in inside


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("NOOP", "250 2.0.0"),
        ("NOOP whatever", "250 2.0.0"),
        ("noop", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("RSET x", "501 5.5.4"),
        ("VRFY bob", "252 2.1.5"),
        ("VRFY", "501 5.5.4"),
        ("EXPN list", "502 5.5.1"),
        ("HELP", "214 2.0.0"),
        ("BDAT 5 LAST", "500 5.5.2"),
        ("", "500 5.5.2"),
        ("GET / HTTP/1.1", "500 5.5.2"),
        ("EHLO", "501 5.5.4"),
        ("AUTH PLAIN", "538 5.7.11"),
        ("QUIT now", "501 5.5.4"),
        ("QUIT", "221 2.0.0"),
        (b"NOOP \xff", "500 5.5.2"),
        (b"NOOP\nNOOP", "500 5.5.2"),
        (b"NOOP\rNOOP", "500 5.5.2"),
        (b"NOOP " + b"x" * 600, "500 5.5.2"),
        (b"x" * 100_000, "500 5.5.2"),
    ],
)
async def test_each_command_gets_its_answer(client, line, answer):
    assert (await client.say(line)).startswith(answer + " ")


async def test_mail_needs_a_greeting(world):
    async with world.connect() as client:
        await client.reply()
        assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("503 5.5.1 ")
        assert (await client.say("HELO me")) == "250 gate.example\r\n"
        assert (await client.mail()).startswith("250 ")


async def test_ten_errors_end_the_session(client):
    answers = [await client.say("WHAT") for _ in range(10)]
    assert {answer[:4] for answer in answers} == {"500 "}
    assert await client.reply() == "421 4.7.0 Too many errors\r\n"
    assert await client.reply() == ""


async def test_refused_mails_are_no_errors_of_the_session(world, client):
    for _ in range(12):
        assert (await client.mail(b"bare\nline\r\n")).startswith("550 5.6.11 ")
    assert (await client.mail()).startswith("250 ")


async def test_a_pipelined_group_is_answered_in_order(world, client):
    client.send(
        b"MAIL FROM:<alice@acme.example>\r\nRCPT TO:<a@r.example>\r\nRCPT TO:<bad>\r\nRCPT TO:<b@r.example>\r\nDATA\r\n"
    )
    assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "553", "250", "354"]
    client.send(TEXT + b".\r\nRSET\r\nMAIL FROM:<alice@acme.example>\r\n")
    assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "250"]
    assert (await world.records())[0].record.envelope.recipients == ("a@r.example", "b@r.example")


async def test_data_before_354_ends_the_session(world, client):
    await client.envelope()
    client.send(b"DATA\r\n" + TEXT + b".\r\nMAIL FROM:<alice@acme.example>\r\n")
    assert (await client.reply()).startswith("503 5.5.0 ")
    assert await client.reply() == ""
    assert await world.records() == []


async def test_a_client_that_stops_sending_still_gets_its_answers(client):
    client.send(b"NOOP\r\nMAIL FROM:<alice@acme.example>\r\nRCPT TO:<b@r.example>\r\n")
    client.writer.write_eof()
    assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "250"]
    assert await client.reply() == ""


@pytest.mark.parametrize("sign", ["\x80", "\x85", "\x9b", "\xa0", "\u2028", "\u2029", "\u202e"])
def test_no_address_holds_what_a_line_could_end_at_or_a_terminal_obey(sign):
    for address in (f"a{sign}b@c.example", f'"{sign}"@c.example', f"a@b{sign}c.example"):
        assert path_parser.parse_rcpt(f"TO:<{address}>") == path_parser.MalformedPath(address=True)


def test_an_address_has_the_characters_of_the_rfcs_and_no_others():
    """RFC 5321 4.1.2 and RFC 6531 3.3: atext and dots, letters and digits, and more than ASCII."""
    letters = string.ascii_letters + string.digits + "_"  # hosts of Windows have the last one
    local, domain = f"{letters}!#$%&'*+-/=?^`{{|}}~.", letters
    for code in (*range(0x3100), 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF):
        sign, beyond = chr(code), code > 0xA0 and not 0x2028 <= code <= 0x202F
        for argument, known in ((f"FROM:<{sign}@b.example>", local), (f"FROM:<a@{sign}>", domain)):
            taken = isinstance(path_parser.parse_mail(argument), path_parser.MailPath)
            assert taken is (beyond or sign in known), (argument, hex(code))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("EHLO Büro-PC".encode("latin-1"), "B?ro-PC"),
        ("HELO Бухгалтерия".encode("cp1251"), "???????????"),
        ("EHLO Büro-PC".encode(), "Büro-PC"),
        (b"HELO HP Color LaserJet", "HP-Color-LaserJet"),
        (b"EHLO  [192.0.2.7] ", "[192.0.2.7]"),
        (b"EHLO tab\tand\x1b[31mcolour", "tab-and?[31mcolour"),
        (b"EHLO " + b"x" * 300, "x" * 255),
    ],
)
async def test_a_client_may_call_itself_anything_and_its_name_becomes_one_word(world, line, name):
    async with world.connect() as client:
        await client.reply()
        assert (await client.say(line)).startswith("250")
        assert (await client.mail()).startswith("250 ")
    assert world.policy.ballots[0].envelope.helo == name
    (stored,) = await world.records()
    assert stored.body.startswith(b"Received: from ")
    assert stored.body.splitlines()[0].isascii()
