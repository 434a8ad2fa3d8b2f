"""What is sent in one transaction, what it needs of a next hop, and what the next hop can do."""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass

import msgspec

from varco_common.envelope import Envelope
from varco_relay.said import Said

Chunks = Callable[[], AsyncGenerator[bytes, None]]


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a next hop's EHLO says, or what is known where it only knows HELO. `max_size` 0: it names none."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    size: bool = False
    max_size: int = 0
    starttls: bool = False
    auth: tuple[str, ...] = ()


def capabilities(said: Said) -> Capabilities:
    """Reads the answer to EHLO (RFC 5321 4.1.1.1): one keyword a line, the first line is the greeting."""
    words: dict[str, list[str]] = {}
    for line in said.text.split("\n")[1:]:
        keyword, *values = line.replace("AUTH=", "AUTH ").upper().split() or [""]  # AUTH=: from before RFC 2554
        words.setdefault(keyword, []).extend(values)
    size = words.get("SIZE", [])
    return Capabilities(
        pipelining="PIPELINING" in words,
        eight_bit="8BITMIME" in words,
        smtputf8="SMTPUTF8" in words,
        size="SIZE" in words,
        max_size=int(size[0]) if size and size[0].isdecimal() else 0,
        starttls="STARTTLS" in words,
        auth=tuple(words.get("AUTH", ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One transaction. `body` is in wire form: CRLF, dot-stuffed, no final dot; chunks are got anew for each try."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes | Chunks
    size: int
    eight_bit: bool = False
    smtputf8: bool = False


def parcel(envelope: Envelope, recipients: Iterable[str], body: bytes | Chunks, size: int) -> Parcel:
    """Asks for no more than the mail needs: clients declare 8BITMIME and SMTPUTF8 for plain ASCII, too.

    Of a body in chunks only what the client declared is known.
    """
    wanted = tuple(dict.fromkeys(recipients))
    smtputf8 = not (envelope.sender.isascii() and all(map(str.isascii, wanted)))
    eight_bit = envelope.eight_bit
    if isinstance(body, bytes):
        eight_bit = not body.isascii()
        smtputf8 = smtputf8 or (envelope.smtputf8 and eight_bit and not body[: body.find(b"\r\n\r\n")].isascii())
    else:
        smtputf8 = smtputf8 or envelope.smtputf8
    return Parcel(
        sender=envelope.sender, recipients=wanted, body=body, size=size, eight_bit=eight_bit, smtputf8=smtputf8
    )


def obstacle(mail: Parcel, able: Capabilities) -> Said | None:
    """Why this next hop can't carry this mail, as a permanent answer; None where it can.

    An 8-bit body isn't converted: that would break signatures. RFC 6152 3 leaves refusing it.
    """
    if mail.smtputf8 and not able.smtputf8:  # RFC 6531 3.5
        return Said(550, "5.6.7 The next hop can't carry internationalised addresses or header fields (no SMTPUTF8)")
    if mail.eight_bit and not able.eight_bit:
        return Said(
            554, "5.6.3 The next hop takes 7-bit messages only (no 8BITMIME), and this one has 8-bit characters"
        )
    return None


def group(mail: Parcel, able: Capabilities) -> list[bytes]:
    """The commands of one transaction up to DATA."""
    # RFC 1870 3, RFC 6152 3, RFC 6531 3.4: each parameter only where it was offered
    parameters = f" SIZE={mail.size}" if able.size else ""
    if mail.eight_bit and able.eight_bit:
        parameters += " BODY=8BITMIME"
    if mail.smtputf8:
        parameters += " SMTPUTF8"
    return [
        f"MAIL FROM:<{mail.sender}>{parameters}\r\n".encode(),
        *[f"RCPT TO:<{recipient}>\r\n".encode() for recipient in mail.recipients],
        b"DATA\r\n",
    ]
