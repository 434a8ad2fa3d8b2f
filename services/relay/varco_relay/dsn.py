"""Delivery status notifications: what a sender hears of a mail that could not be delivered (RFC 3464, RFC 6522)."""

from datetime import datetime
from email.utils import format_datetime
from textwrap import wrap

import msgspec

from varco_common.events import Failure
from varco_common.mail.envelope import Envelope

MAX_HEADERS = 64 * 1024  # of the original, as it goes back
LINE = "\r\n"


class DsnContent(msgspec.Struct, frozen=True, kw_only=True):
    """All that a notification says. `reporter` is this gate's host name, `host` the next hop's."""

    id: str
    reporter: str
    host: str
    envelope: Envelope
    failures: tuple[Failure, ...]
    headers: bytes
    now: datetime
    expired: bool = False


def headers_of(body: bytes) -> bytes:
    """The header section of a body in wire form, bounded; dots that were stuffed are undone."""
    end = body.find(b"\r\n\r\n")
    section = body[: end + 2 if end >= 0 else len(body)][:MAX_HEADERS]
    section = section[: section.rfind(b"\r\n") + 2]
    section = section.replace(b"\r\n..", b"\r\n.")
    return section[1:] if section.startswith(b"..") else section


def internationalised(notice: DsnContent) -> bool:
    """Whether it must be told with addresses that aren't ASCII; then it needs SMTPUTF8, as the mail did."""
    return not all(a.isascii() for a in (notice.envelope.sender, *(f.recipient for f in notice.failures)))


def compose(notice: DsnContent) -> bytes:
    """The notification, in wire form: CRLF, dot-stuffed, without the final dot.

    It is plain ASCII wherever addresses are: nobody is told of a notification that a next hop can't carry.
    """
    utf8 = internationalised(notice)
    boundary = f"=_{notice.id}"
    headers = notice.headers if utf8 else notice.headers.decode("ascii", "replace").replace("\ufffd", "?").encode()
    parts = [
        _part("text/plain; charset=utf-8", _text(notice, utf8=utf8).encode(), utf8=utf8),
        # RFC 6533 3: the global forms where addresses are not ASCII
        _part(f"message/{'global-' if utf8 else ''}delivery-status", _status(notice, utf8=utf8).encode(), utf8=utf8),
        _part("message/global-headers" if utf8 else "text/rfc822-headers", headers, utf8=utf8),
    ]
    marker = f"--{boundary}".encode()
    body = b"".join(marker + b"\r\n" + part + b"\r\n" for part in parts) + marker + b"--\r\n"
    return _stuffed(_head(notice, boundary, utf8=utf8).encode() + b"\r\n" + body)


def _head(notice: DsnContent, boundary: str, *, utf8: bool) -> str:
    fields = {
        "From": f'"Mail Delivery System" <mailer-daemon@{notice.reporter}>',
        "To": f"<{notice.envelope.sender}>",
        "Date": format_datetime(notice.now),
        "Message-ID": f"<{notice.id}@{notice.reporter}>",
        "Subject": "Undelivered mail / Messaggio non consegnato",
        "Auto-Submitted": "auto-replied",  # RFC 3834 5
        "MIME-Version": "1.0",
        "Content-Type": "multipart/report;"
        f' report-type={"global-" if utf8 else ""}delivery-status;{LINE} boundary="{boundary}"',
    }
    return "".join(f"{name}: {value}{LINE}" for name, value in fields.items())


def _part(kind: str, content: bytes, *, utf8: bool) -> bytes:
    transfer = f"Content-Transfer-Encoding: 8bit{LINE}" if utf8 else ""
    return f"Content-Type: {kind}{LINE}{transfer}{LINE}".encode() + content


def _text(notice: DsnContent, *, utf8: bool) -> str:
    days = max(1, round((notice.now - notice.envelope.received_at).total_seconds() / 86_400))
    english = f"was tried for {days} day(s), and is given up" if notice.expired else "was refused for good"
    italian = f"si e' tentato per {days} giorno/i, senza successo" if notice.expired else "e' stato rifiutato"
    lines = [
        f"Your mail {notice.envelope.id} could not be delivered: it {english}.",
        "It will not be tried again. What was answered for each recipient:",
        "",
        f"Il vostro messaggio {notice.envelope.id} non e' stato consegnato: {italian}.",
        "Non verra' ritentato. La risposta per ogni destinatario:",
        "",
    ]
    for failure in notice.failures:
        lines += [f"<{failure.recipient}>", f"    {_folded(failure.answer, utf8=utf8, indent='    ')}", ""]
    return LINE.join(lines)


def _status(notice: DsnContent, *, utf8: bool) -> str:
    """RFC 3464 2.1: fields of the mail, then fields of each recipient, parted by empty lines."""
    blocks = [
        {
            "Reporting-MTA": f"dns; {notice.reporter}",  # RFC 3464 2.2.2
            "X-Varco-Mail": notice.envelope.id,
            "Arrival-Date": format_datetime(notice.envelope.received_at),
        }
    ]
    blocks += [
        {
            "Original-Recipient": f"{'utf-8' if utf8 else 'rfc822'}; {failure.recipient}",
            "Final-Recipient": f"{'utf-8' if utf8 else 'rfc822'}; {failure.recipient}",
            "Action": "failed",  # RFC 3464 2.3.3
            "Status": _final(failure.status, expired=notice.expired),
            "Remote-MTA": f"dns; {notice.host.rpartition(':')[0] or notice.host}",
            "Diagnostic-Code": f"smtp; {_folded(failure.answer, utf8=utf8)}",
        }
        for failure in notice.failures
    ]
    return LINE.join("".join(f"{name}: {value}{LINE}" for name, value in block.items()) for block in blocks)


def _final(status: str, *, expired: bool) -> str:
    """RFC 3464 2.3.4: with action `failed` the status is a permanent one; 4.4.7 is the time that ran out."""
    if expired:
        return "5.4.7"
    return status if status.startswith("5") else f"5{status[1:]}"


def _folded(text: str, *, utf8: bool, indent: str = "  ") -> str:
    """In lines of a bounded length; controls and, where all is ASCII, other characters become question marks."""
    clean = "".join(c if c.isprintable() and (utf8 or c.isascii()) else "?" for c in text)
    return f"{LINE}{indent}".join(wrap(clean, 72) or ["-"])


def _stuffed(message: bytes) -> bytes:
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
