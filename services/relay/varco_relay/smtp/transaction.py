"""One mail transaction: what is sent, what it requires, and what the next hop offers."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from varco_common.base.errors import PoisonError
from varco_common.mail.delivery_options import RecipientOptions, Return
from varco_common.mail.envelope import Envelope
from varco_common.mail.hops import MAX_HOPS, count_hops
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.tls_session import AppliedPolicy

MAX_SIZE = 2**63 - 1  # RFC 1870 4 allows 20 digits, an event does not
MAX_HEADER = 1024 * 1024  # bytes: more than a hundred servers write, with signatures

BodyChunks = Callable[[], AsyncGenerator[bytes, None]]


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a next hop offers in its answer to EHLO. After HELO it is nothing.

    `max_size` 0: no limit named. `dsn` is RFC 3461. `require_tls` is RFC 8689, which counts only
    where the certificate was verified.
    """

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    size: bool = False
    max_size: int = 0
    dsn: bool = False
    require_tls: bool = False
    starttls: bool = False
    auth: tuple[str, ...] = ()


def parse_capabilities(reply: SmtpReply) -> Capabilities:
    """Reads the answer to EHLO (RFC 5321 4.1.1.1): a greeting, then one keyword a line."""
    keywords: dict[str, list[str]] = {}
    for line in reply.text.split("\n")[1:]:
        keyword, *values = line.replace("AUTH=", "AUTH ").upper().split() or [""]  # AUTH=: from before RFC 2554
        keywords.setdefault(keyword, []).extend(values)
    size = keywords.get("SIZE", [])
    return Capabilities(
        pipelining="PIPELINING" in keywords,
        eight_bit="8BITMIME" in keywords,
        smtputf8="SMTPUTF8" in keywords,
        size="SIZE" in keywords,
        max_size=min(int(size[0]), MAX_SIZE) if size and size[0].isdecimal() else 0,
        dsn="DSN" in keywords,
        require_tls="REQUIRETLS" in keywords,
        starttls="STARTTLS" in keywords,
        auth=tuple(keywords.get("AUTH", ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTransaction:
    """One mail for one group of recipients.

    `body` is in wire form: CRLF, dot-stuffed, no final dot. Chunks are read anew for each attempt.
    `size` is in bytes, `hops` counts the servers that the mail came through. `returns`, `envid`,
    `require_tls` and `options` as in the envelope. `rewritten`: the gate changed the body, so the
    client's own signatures are broken. `sign` signs the mail once its bytes are those that leave;
    `dkim` says what became of that. `policy` is what the session goes by, where that is reported.
    """

    sender: str
    recipients: tuple[str, ...]
    body: bytes | BodyChunks
    size: int
    eight_bit: bool = False
    smtputf8: bool = False
    hops: int = 0
    returns: Return | None = None
    envid: str = ""
    require_tls: bool = False
    options: tuple[RecipientOptions, ...] = ()
    rewritten: bool = False
    sign: "Sign | None" = None
    dkim: str = ""
    policy: AppliedPolicy | None = None


Sign = Callable[[SmtpTransaction], Awaitable[SmtpTransaction]]


def make_transaction(
    envelope: Envelope,
    recipients: Iterable[str],
    body: bytes | BodyChunks,
    size: int,
    header: bytes = b"",
    *,
    rewritten: bool = False,
    sign: Sign | None = None,
) -> SmtpTransaction:
    """Requires no more than the mail needs: clients declare 8BITMIME for plain ASCII, too.

    `header` is the header section of a body in chunks, as far as it was read. Of such a body only
    what the client declared is known besides. Raises PoisonError for a record that would break out
    of its transaction; ingress accepts none of those.
    """
    unique = tuple(dict.fromkeys(recipients))
    _refuse_injection(envelope.sender, unique, body)
    smtputf8 = not (envelope.sender.isascii() and all(map(str.isascii, unique)))
    eight_bit = envelope.eight_bit
    if isinstance(body, bytes):
        header = header_of(body)
        eight_bit = not body.isascii()
        smtputf8 = smtputf8 or (envelope.smtputf8 and not header.isascii())
    else:
        smtputf8 = smtputf8 or envelope.smtputf8
    return SmtpTransaction(
        sender=envelope.sender,
        recipients=unique,
        body=body,
        size=size,
        eight_bit=eight_bit,
        smtputf8=smtputf8,
        hops=count_hops(header),
        returns=envelope.returns,
        envid=envelope.envid,
        require_tls=envelope.require_tls,
        options=envelope.options,
        rewritten=rewritten,
        sign=sign,
    )


def header_of(body: bytes) -> bytes:
    """The header section of a body, or of its beginning."""
    end = body.find(b"\r\n\r\n")  # partition would copy the rest
    return body if end < 0 else body[:end]


async def read_header(body: bytes | BodyChunks) -> bytes:
    """The header section, or its first MAX_HEADER bytes: servers add their fields at the top."""
    if isinstance(body, bytes):
        return header_of(body)
    start = b""
    async with aclosing(body()) as chunks:
        async for chunk in chunks:
            start += chunk
            if b"\r\n\r\n" in start or len(start) >= MAX_HEADER:
                break
    return header_of(start)


def _refuse_injection(sender: str, recipients: tuple[str, ...], body: bytes | BodyChunks) -> None:
    """A second line of defence. Searching the body costs a microsecond for 10 KB."""
    if any("\r" in address or "\n" in address for address in (sender, *recipients)):
        raise PoisonError("an address holds a line end")
    if not isinstance(body, bytes) or not body:
        return
    if not body.endswith(b"\r\n") or body.startswith(b".\r\n") or b"\r\n.\r\n" in body:
        raise PoisonError("the body isn't in wire form: it would end early, or never")


def obstacle(transaction: SmtpTransaction, capabilities: Capabilities) -> SmtpReply | None:
    """Why this next hop cannot carry this mail, as a permanent refusal; None if it can."""
    if transaction.hops > MAX_HOPS:
        text = f"5.4.6 The mail came through {transaction.hops} servers already: it goes round in a circle"
        return SmtpReply(554, text, by_gate=True)
    if transaction.require_tls and not capabilities.require_tls:  # RFC 8689 4.2.1
        text = "5.7.30 REQUIRETLS support required: the next hop doesn't offer it over verified TLS"
        return SmtpReply(550, text, by_gate=True)
    if transaction.smtputf8 and not capabilities.smtputf8:  # RFC 6531 3.5
        text = "5.6.7 The next hop can't carry internationalised addresses or header fields (no SMTPUTF8)"
        return SmtpReply(550, text, by_gate=True)
    return None


def envelope_commands(transaction: SmtpTransaction, capabilities: Capabilities) -> list[bytes]:
    """The commands of one transaction, up to DATA."""
    # RFC 1870 3, RFC 6152 3, RFC 6531 3.4: each parameter only where it was offered
    parameters = f" SIZE={transaction.size}" if capabilities.size else ""
    if transaction.eight_bit and capabilities.eight_bit:
        parameters += " BODY=8BITMIME"
    if transaction.smtputf8:
        parameters += " SMTPUTF8"
    if transaction.require_tls:
        parameters += " REQUIRETLS"
    asked: dict[str, str] = {}
    if capabilities.dsn:  # RFC 3461 5.2.1: the next hop then owes the notifications
        parameters += f" RET={transaction.returns}" if transaction.returns else ""
        parameters += f" ENVID={transaction.envid}" if transaction.envid else ""
        asked = {options.recipient: _parameters_of(options) for options in transaction.options}
    return [
        f"MAIL FROM:<{transaction.sender}>{parameters}\r\n".encode(),
        *[f"RCPT TO:<{to}>{asked.get(to, '')}\r\n".encode() for to in transaction.recipients],
        b"DATA\r\n",
    ]


def _parameters_of(options: RecipientOptions) -> str:
    notify = f" NOTIFY={','.join(options.notify)}" if options.notify else ""
    return notify + (f" ORCPT={options.orcpt}" if options.orcpt else "")
