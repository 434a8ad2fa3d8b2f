"""Delivery status notifications: tell a sender that a mail failed (RFC 3464, RFC 6522). Pure."""

import quopri
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from textwrap import wrap

import msgspec

from varco_common.events import Failure
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.delivery_options import decode_xtext
from varco_common.mail.envelope import Envelope
from varco_common.mail.wire_form import dot_stuffed
from varco_relay import dsn_text
from varco_relay.model.queue import DsnAction

MAX_HEADERS = 64 * 1024  # bytes of the original that go back
MAX_RETURNED = 192 * 1024  # bytes of an original that goes back whole (RET=FULL): a DSN stays in its record
CRLF = "\r\n"


class DsnContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a DSN is made of.

    `reporter` is the host name of this gate, `host` that of the next hop, empty if it was not
    asked. `texts` are what the account's users read. `original` is the whole mail, if it goes
    back whole; else `headers` do.
    """

    id: str
    reporter: str
    host: str
    envelope: Envelope
    failures: tuple[Failure, ...]
    headers: bytes
    now: datetime
    original: bytes = b""
    expired: bool = False
    action: DsnAction = DsnAction.FAILED
    texts: AccountTexts = dsn_text.UNKNOWN


def headers_of(body: bytes) -> bytes:
    """The header section of a body in wire form, cut to MAX_HEADERS, without dot-stuffing."""
    end = body.find(b"\r\n\r\n")
    section = body[: end + 2 if end >= 0 else len(body)][:MAX_HEADERS]
    section = section[: section.rfind(b"\r\n") + 2]
    section = section.replace(b"\r\n..", b"\r\n.")
    return section[1:] if section.startswith(b"..") else section


def plain(wire: bytes) -> bytes:
    """A body without dot-stuffing."""
    content = wire.replace(b"\r\n..", b"\r\n.")
    return content[1:] if content.startswith(b"..") else content


def internationalised(content: DsnContent) -> bool:
    """Whether an address is not ASCII. Then the DSN needs SMTPUTF8, as the mail did."""
    return not all(a.isascii() for a in (content.envelope.sender, *(f.recipient for f in content.failures)))


def compose(content: DsnContent) -> bytes:
    """The DSN in wire form: CRLF, dot-stuffed, without the final dot.

    It is plain ASCII if the addresses and an original that goes back whole are, so that every next
    hop can carry it: the sender of a DSN is never told that it failed.
    """
    utf8 = internationalised(content)
    boundary = f"=_{content.id}"
    headers = content.headers if utf8 else content.headers.decode("ascii", "replace").replace("\ufffd", "?").encode()
    parts = [
        _text_part(_text(content, utf8=utf8).encode(), utf8=utf8),
        # RFC 6533 3: the global forms where addresses are not ASCII
        _part(f"message/{'global-' if utf8 else ''}delivery-status", _status(content, utf8=utf8).encode(), utf8=utf8),
        _original_part(content.original, utf8=utf8)
        if content.original
        else _part("message/global-headers" if utf8 else "text/rfc822-headers", headers, utf8=utf8),
    ]
    marker = f"--{boundary}".encode()
    body = b"".join(marker + b"\r\n" + part + b"\r\n" for part in parts) + marker + b"--\r\n"
    return dot_stuffed(_head(content, boundary, utf8=utf8).encode() + b"\r\n" + body)


def _head(content: DsnContent, boundary: str, *, utf8: bool) -> str:
    fields = {
        "From": f'"Mail Delivery System" <mailer-daemon@{content.reporter}>',
        "To": f"<{content.envelope.sender}>",
        "Date": format_datetime(content.texts.local(content.now)),
        "Message-ID": f"<{content.id}@{content.reporter}>",
        "Subject": Header(dsn_text.subject(content.texts, content.action), header_name="Subject").encode(
            linesep=CRLF
        ),  # RFC 2047
        "Auto-Submitted": "auto-replied",  # RFC 3834 5
        "MIME-Version": "1.0",
        "Content-Type": "multipart/report;"
        f' report-type={"global-" if utf8 else ""}delivery-status;{CRLF} boundary="{boundary}"',
    }
    if utf8 or not content.original.isascii():
        fields["Content-Transfer-Encoding"] = "8bit"  # RFC 2045 6.4: as the parts
    return "".join(f"{name}: {value}{CRLF}" for name, value in fields.items())


def _original_part(original: bytes, *, utf8: bool) -> bytes:
    return _part("message/global" if utf8 else "message/rfc822", original, utf8=utf8 or not original.isascii())


def _part(kind: str, content: bytes, *, utf8: bool) -> bytes:
    transfer = f"Content-Transfer-Encoding: 8bit{CRLF}" if utf8 else ""
    return f"Content-Type: {kind}{CRLF}{transfer}{CRLF}".encode() + content


def _text_part(text: bytes, *, utf8: bool) -> bytes:
    """All letters reach the reader, whatever the next hop carries."""
    if utf8 or text.isascii():
        return _part("text/plain; charset=utf-8", text, utf8=utf8)
    quoted = quopri.encodestring(text.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/plain; charset=utf-8{CRLF}Content-Transfer-Encoding: quoted-printable{CRLF}{CRLF}"
    return head.encode() + quoted


def _text(content: DsnContent, *, utf8: bool) -> str:
    if content.action is DsnAction.FAILED:
        lines = dsn_text.introduction(content.texts, content.envelope, content.now, expired=content.expired)
    else:
        lines = dsn_text.progress(content.texts, content.envelope.id, content.action)
    for failure in content.failures:
        answer = dsn_text.answer(content.texts, failure.answer, by_gate=failure.by_gate)
        lines += [f"<{failure.recipient}>", f"    {_folded(answer, utf8=utf8, indent='    ')}", ""]
    return CRLF.join(lines)


def _status(content: DsnContent, *, utf8: bool) -> str:
    """RFC 3464 2.1: fields of the mail, then fields of each recipient, separated by empty lines."""
    blocks = [
        {
            "Reporting-MTA": f"dns; {content.reporter}",  # RFC 3464 2.2.2
            "X-Varco-Mail": content.envelope.id,
            "Arrival-Date": format_datetime(content.envelope.received_at),
        }
        | _envelope_id(content, utf8=utf8)
    ]
    blocks += [
        {
            "Original-Recipient": _original_recipient(content.envelope, failure.recipient, utf8=utf8),
            "Final-Recipient": f"{'utf-8' if utf8 else 'rfc822'}; {failure.recipient}",
            "Action": str(content.action),  # RFC 3464 2.3.3
            "Status": _final(failure.status, expired=content.expired)
            if content.action is DsnAction.FAILED
            else failure.status,
            **_asked(content, failure),
            "Diagnostic-Code": f"{'x-varco' if failure.by_gate else 'smtp'}; {_folded(failure.answer, utf8=utf8)}",
        }
        for failure in content.failures
    ]
    return CRLF.join("".join(f"{name}: {value}{CRLF}" for name, value in block.items()) for block in blocks)


def _envelope_id(content: DsnContent, *, utf8: bool) -> dict[str, str]:
    """RFC 3464 2.2.1: as the client gave it."""
    envid = content.envelope.envid
    return {"Original-Envelope-Id": _folded(decode_xtext(envid), utf8=utf8)} if envid else {}


def _original_recipient(envelope: Envelope, recipient: str, *, utf8: bool) -> str:
    """RFC 3464 2.3.1: ORCPT if the client gave one."""
    kind, _, address = envelope.options_of(recipient).orcpt.partition(";")
    if not address:
        return f"{'utf-8' if utf8 else 'rfc822'}; {recipient}"
    return f"{kind}; {_folded(decode_xtext(address), utf8=utf8)}"


def _asked(content: DsnContent, failure: Failure) -> dict[str, str]:
    """RFC 3464 2.3.5: no remote MTA is named where the gate itself refused."""
    if failure.by_gate or not content.host:
        return {}
    return {"Remote-MTA": f"dns; {content.host.rpartition(':')[0] or content.host}"}


def _final(status: str, *, expired: bool) -> str:
    """RFC 3464 2.3.4: action `failed` has a permanent status. 5.4.7: the time ran out."""
    if expired:
        return "5.4.7"
    return status if status.startswith("5") else f"5{status[1:]}"


def _folded(text: str, *, utf8: bool, indent: str = "  ") -> str:
    """Wrapped lines.

    Control characters, and without `utf8` all that is not ASCII, become question marks.
    """
    clean = "".join(c if c.isprintable() and (utf8 or c.isascii()) else "?" for c in text)
    return f"{CRLF}{indent}".join(wrap(clean, 72) or ["-"])
