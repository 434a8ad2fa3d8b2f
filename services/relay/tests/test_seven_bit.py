"""8-bit mail is encoded for a next hop without 8BITMIME, and says the same afterwards."""

import random
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from varco_common.testing.next_hop import DROP, NextHop
from varco_relay.seven_bit.conversion import PIECE, seven_bit
from varco_relay.seven_bit.walker import NotConvertible
from varco_relay.smtp.transaction import SmtpTransaction

from .pools import Pools, codes, lines, mail

ITALIAN = "Perché no?\r\n.. due punti\r\n. uno\r\n\r\n" + "parole è " * 60 + "\r\nfine \t\r\n"


def stuffed(content: bytes) -> bytes:
    wire = content.replace(b"\r\n.", b"\r\n..")
    return b"." + wire if wire.startswith(b".") else wire


def plain(wire: bytes) -> bytes:
    content = wire.replace(b"\r\n..", b"\r\n.")
    return content[1:] if content.startswith(b".") else content


def text_part(text: str, subtype: str = "plain", charset: str = "utf-8") -> Message:
    """A text in 8 bits."""
    part = Message()
    part["Content-Type"] = f'text/{subtype}; charset="{charset}"'
    part["Content-Transfer-Encoding"] = "8bit"
    part.set_payload(text.encode(charset).decode("ascii", "surrogateescape"))
    return part


def mixed(*parts: Message, subtype: str = "mixed") -> Message:
    whole = MIMEMultipart(subtype)
    whole["Subject"] = "parts"
    whole.replace_header("Content-Type", f'{whole["Content-Type"]}; boundary="=_{random.randrange(10**9)}"')
    for part in parts:
        whole.attach(part)
    return whole


def wire(message: Message) -> bytes:
    return stuffed(message.as_bytes(policy=policy.SMTP.clone(cte_type="8bit")))


def contents(body: bytes) -> list[tuple[str, str | None, bytes]]:
    """Type, charset and decoded bytes of each leaf: what a reader of the mail gets."""
    return [
        (part.get_content_type(), part.get_content_charset(), part.get_payload(decode=True))
        for part in message_from_bytes(plain(body)).walk()
        if not part.is_multipart()
    ]


async def converted(body: bytes) -> bytes:
    result = await seven_bit(mail(body=body))
    assert isinstance(result.body, bytes)
    assert not result.eight_bit
    assert result.size == len(result.body)
    return result.body


def long_lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\r\n") if len(line) > 998]


async def test_a_text_is_quoted_and_says_the_same():
    body = b'Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\n'
    body += b"Content-Transfer-Encoding: 8bit\r\n\r\n" + stuffed(ITALIAN.encode())
    result = await converted(body)
    assert result.isascii()
    assert contents(result) == contents(body)
    assert result.count(b"Content-Transfer-Encoding: quoted-printable\r\n") == 1
    assert b"8bit" not in result


async def test_a_text_in_another_script_becomes_base64():
    body = wire(text_part("Καλημέρα κόσμε\r\n" * 20))
    result = await converted(body)
    assert b"Content-Transfer-Encoding: base64" in result
    assert contents(result) == contents(body)


async def test_parts_are_encoded_one_by_one_and_what_is_ascii_stays():
    image = MIMEApplication(b"\x00\x01binary")
    whole = mixed(
        text_part(ITALIAN), image, mixed(text_part("<p>è</p>", "html"), MIMEText("plain"), subtype="alternative")
    )
    body = wire(whole)
    result = await converted(body)
    assert result.isascii()
    assert contents(result) == contents(body)
    assert image.get_payload().encode().strip() in result.replace(b"\r\n", b"\n")


async def test_a_message_inside_a_mail_is_converted_inside():
    inner = text_part(ITALIAN)
    inner["Subject"] = "inner"
    forwarded = MIMEMessage(inner)
    forwarded["Content-Transfer-Encoding"] = "8bit"
    body = wire(mixed(MIMEText("see below"), forwarded))
    result = await converted(body)
    assert contents(result) == contents(body)
    assert b"message/rfc822" in result
    assert b"8bit" not in result


async def test_an_attachment_in_8_bits_becomes_base64():
    part = Message()
    part["Content-Type"] = "application/x-log"
    part["Content-Transfer-Encoding"] = "8bit"
    part.set_payload("caf\udce8\r\nend\r\n")
    body = wire(mixed(part, MIMEText("x")))
    assert contents(await converted(body)) == contents(body)


@pytest.mark.parametrize(("text", "charset"), [("perché".encode(), "utf-8"), (b"perch\xe9", "unknown-8bit")])
async def test_a_mail_without_mime_fields_gets_them(text, charset):
    result = await converted(b"Subject: old\r\n\r\n" + text + b"\r\n")
    message = message_from_bytes(result)
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_charset() == charset
    assert message.get_payload(decode=True) == text + b"\r\n"


async def test_text_outside_of_parts_becomes_ascii():
    body = wire(mixed(text_part("è\r\n"))).replace(b"\r\n\r\n--=_", b"\r\n\r\npr\xc3\xa9ambule\r\n--=_", 1)
    result = await converted(body)
    assert result.isascii()
    assert b"pr??ambule" in result


SIGNED = (
    b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary="b"\r\n\r\n--b\r\n%s\r\n'
    b"--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            SIGNED % b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa8",
            "signed",
        ),
        (b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe8\r\n", "encrypted"),
        (b"Subject: \xe8\r\n\r\nx\r\n", "header field"),
        (b"Content-Type: multipart/mixed\r\n\r\n\xe8\r\n", "boundary"),
        (b"Content-Type: message/partial\r\n\r\n\xe8\r\n", "message/partial"),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n\xe8\r\n", "ambiguous"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\xe8\r\n", "says that it is base64"),
    ],
)
async def test_what_would_break_is_not_converted(body, why):
    with pytest.raises(NotConvertible, match=why):
        await converted(body)


async def test_a_signed_part_in_ascii_stays_byte_for_byte():
    signed = SIGNED % b"Content-Type: text/plain\r\n\r\nascii"
    body = b'Subject: x\r\nContent-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\n' + signed
    body += b"\r\n--o\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa8\r\n--o--\r\n"
    result = await converted(body)
    assert signed in result
    assert result.isascii()


def random_mail(rng: random.Random, depth: int = 0) -> Message:
    if depth < 3 and rng.random() < 0.5:
        return mixed(*(random_mail(rng, depth + 1) for _ in range(rng.randint(1, 3))))
    signs = rng.choice(["abc .=\t", "aè\u20ac. =\t", "Ω"])
    texts = ["".join(rng.choices(signs, k=rng.randint(0, 120))) for _ in range(rng.randint(0, 6))]
    return text_part("".join(text + "\r\n" for text in texts), rng.choice(["plain", "html"]))


@pytest.mark.parametrize("seed", range(60))
async def test_any_mail_says_the_same_afterwards(seed):
    rng = random.Random(seed)
    body = wire(random_mail(rng)) + b"\r\n"
    result = await converted(body)
    assert result.isascii()
    assert not long_lines(result)
    assert contents(result) == contents(body)
    assert await converted(result) == result


async def test_a_large_mail_is_converted_in_pieces():
    content = (ITALIAN * 2_000).encode()
    body = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + stuffed(content)

    async def chunks():
        for at in range(0, len(body), 10_007):
            yield body[at : at + 10_007]

    result = await seven_bit(mail(body=chunks, eight_bit=True))
    assert not isinstance(result.body, bytes)
    held = [piece async for piece in result.body()]
    assert max(map(len, held)) < PIECE + 2_000
    whole = b"".join(held)
    assert whole.isascii()
    assert contents(whole) == contents(body)
    assert abs(result.size - len(whole)) < len(whole) / 2


async def test_a_large_mail_that_is_declared_8_bit_and_is_not_leaves_as_it_is():
    body = b"DKIM-Signature: v=1; a=rsa-sha256\r\nContent-Type: text/plain\r\n\r\n" + b"plain text\r\n" * 10_000

    async def chunks():
        yield body

    result = await seven_bit(mail(body=chunks, eight_bit=True))
    assert (result.eight_bit, result.rewritten, result.body) == (False, False, chunks)
    assert (await seven_bit(mail(body=body + "è\r\n".encode()))).rewritten


# At a next hop


async def test_a_next_hop_without_8bitmime_gets_the_mail_in_7_bits(hop: NextHop, pools: Pools):
    hop.eight_bit = False
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = "hello"
    message.set_content("perché", cte="8bit")
    assert await codes(pools.to(hop), mail(body=message.as_bytes())) == {"bob@x.example": 250}
    received = hop.received[0]
    assert received.body.isascii()
    assert "BODY=8BITMIME" not in received.parameters
    assert f"SIZE={len(received.body)}" in received.parameters
    assert message_from_bytes(received.content).get_payload(decode=True).decode().strip() == "perché"


async def test_a_next_hop_with_8bitmime_gets_the_mail_as_it_is(hop: NextHop, pools: Pools):
    body = "Subject: x\r\n\r\nperché\r\n".encode()
    await codes(pools.to(hop), mail(body=body))
    assert hop.received[0].body == body


async def test_a_mail_that_was_signed_for_a_lost_connection_is_encoded_and_signed_for_the_next(
    hop: NextHop, pools: Pools
):
    """The next host behind the name may offer less."""

    async def sign(transaction: SmtpTransaction) -> SmtpTransaction:
        assert isinstance(transaction.body, bytes)
        return replace(transaction, body=b"DKIM-Signature: v=1\r\n" + transaction.body)

    pool = pools.to(hop)
    await codes(pool, mail())
    hop.eight_bit = False
    hop.answer("MAIL", DROP)
    body = "Subject: x\r\n\r\nperché\r\n".encode()
    assert await codes(pool, replace(mail(body=body), sign=sign)) == {"bob@x.example": 250}
    received = hop.received[1].body
    assert received.startswith(b"DKIM-Signature: v=1\r\n")
    assert received.count(b"DKIM-Signature") == 1
    assert received.isascii()
    assert hop.connections == 2


async def test_a_signed_mail_bounces_with_clear_words_and_the_next_one_goes(hop: NextHop, pools: Pools):
    hop.eight_bit = False
    pool = pools.to(hop)
    refused = await lines(pool, mail(body=b"Content-Type: application/pkcs7-mime\r\n\r\n\xc3\xa8\r\n"))
    assert refused == {
        "bob@x.example": "554 5.6.3 The next hop takes 7-bit messages only (no 8BITMIME), and this one has 8-bit "
        "characters that can't be encoded: it is signed or encrypted"
    }
    assert await codes(pool, mail()) == {"bob@x.example": 250}
