"""What is sent in one transaction, what it needs of a next hop, and what the next hop can do."""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass

import msgspec

from varco_common.base.errors import PoisonError
from varco_common.mail.envelope import Envelope
from varco_relay.smtp.smtp_reply import SmtpReply

MAX_HOPS = 100  # RFC 5321 6.3

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


def parse_capabilities(said: SmtpReply) -> Capabilities:
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
class Transaction:
    """One transaction. `body` is in wire form: CRLF, dot-stuffed, no final dot; chunks are got anew for each try."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes | Chunks
    size: int
    eight_bit: bool = False
    smtputf8: bool = False
    hops: int = 0


def make_transaction(envelope: Envelope, recipients: Iterable[str], body: bytes | Chunks, size: int) -> Transaction:
    """Asks for no more than the mail needs: clients declare 8BITMIME and SMTPUTF8 for plain ASCII, too.

    Raises PoisonError on a record that would break out of its transaction; ingress lets none of those in.
    Of a body in chunks only what the client declared is known, and not how many servers it came through.
    """
    wanted = tuple(dict.fromkeys(recipients))
    _refuse_injection(envelope.sender, wanted, body)
    smtputf8 = not (envelope.sender.isascii() and all(map(str.isascii, wanted)))
    eight_bit, hops = envelope.eight_bit, 0
    if isinstance(body, bytes):
        head = body[: body.find(b"\r\n\r\n")]
        eight_bit = not body.isascii()
        hops = (b"\r\n" + head).lower().count(b"\r\nreceived:")
        smtputf8 = smtputf8 or (envelope.smtputf8 and not head.isascii())
    else:
        smtputf8 = smtputf8 or envelope.smtputf8
    return Transaction(
        sender=envelope.sender,
        recipients=wanted,
        body=body,
        size=size,
        eight_bit=eight_bit,
        smtputf8=smtputf8,
        hops=hops,
    )


def _refuse_injection(sender: str, recipients: tuple[str, ...], body: bytes | Chunks) -> None:
    """A second line of defence: one search over the body costs a microsecond for 10 KB."""
    if any("\r" in address or "\n" in address for address in (sender, *recipients)):
        raise PoisonError("an address holds a line end")
    if not isinstance(body, bytes) or not body:
        return
    if not body.endswith(b"\r\n") or body.startswith(b".\r\n") or b"\r\n.\r\n" in body:
        raise PoisonError("the body isn't in wire form: it would end early, or never")


def obstacle(mail: Transaction, able: Capabilities) -> SmtpReply | None:
    """Why this next hop can't carry this mail, as a permanent answer; None where it can.

    An 8-bit body isn't converted: that would break signatures. RFC 6152 3 leaves refusing it.
    """
    if mail.hops > MAX_HOPS:
        return SmtpReply(554, f"5.4.6 The mail came through {mail.hops} servers already: it goes round in a circle")
    if mail.smtputf8 and not able.smtputf8:  # RFC 6531 3.5
        return SmtpReply(
            550, "5.6.7 The next hop can't carry internationalised addresses or header fields (no SMTPUTF8)"
        )
    if mail.eight_bit and not able.eight_bit:
        return SmtpReply(
            554, "5.6.3 The next hop takes 7-bit messages only (no 8BITMIME), and this one has 8-bit characters"
        )
    return None


def envelope_commands(mail: Transaction, able: Capabilities) -> list[bytes]:
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
