"""Adds Received and a missing Date and Message-ID, and removes Bcc (RFC 6409 8)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from varco_common.mail.envelope import Envelope
from varco_common.mime import Manifest

# Beside such a field the added one would be a second one, which RFC 5322 3.6 forbids.
_EMPTY = re.compile(
    rb"^(?:message-id|date)[ \t]*:(?:[ \t]*\r\n(?=[ \t]))*+[ \t]*\r\n(?![ \t])", re.IGNORECASE | re.MULTILINE
)
_UNSAFE = re.compile(r"[^A-Za-z0-9.:_\[\]-]")


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """The new header without its empty line. `shift` must be added to offsets after the header.

    `message_id` is the one that was added; empty if the mail had its own.
    """

    header: bytes
    shift: int
    message_id: str = ""


def fix_header(header: bytes, manifest: Manifest, envelope: Envelope, hostname: str) -> FixedHeader:
    """`header` is the body up to `manifest.header_end`. Other fields keep their bytes and order."""
    added = [_received(envelope, hostname)]
    if not manifest.has_date:
        added.append(f"Date: {_date(envelope.received_at.replace(microsecond=0))}\r\n")
    message_id = "" if manifest.message_id else f"<{envelope.id}@{hostname}>"
    if message_id:
        added.append(f"Message-ID: {message_id}\r\n")
    removed = manifest.bcc if manifest.has_date and manifest.message_id else (*manifest.bcc, *_empty_fields(header))
    kept = _without(header, removed)
    front = "".join(added).encode()
    return FixedHeader(front + kept, len(front) + len(kept) - len(header), message_id)


def _empty_fields(header: bytes) -> list[tuple[int, int]]:
    """The offsets of each Date and Message-ID field without a value."""
    return [field.span() for field in _EMPTY.finditer(header)]


def _without(header: bytes, ranges: tuple[tuple[int, int], ...]) -> bytes:
    for start, end in sorted(ranges, reverse=True):
        header = header[:start] + header[end:]
    return header


def _received(envelope: Envelope, hostname: str) -> str:
    """RFC 5321 4.4. It names a recipient only if there is no other one, who would learn of it."""
    helo = _UNSAFE.sub("?", envelope.helo) or "unknown"
    single = envelope.recipients[0] if len(envelope.recipients) == 1 else ""
    to = f"\r\n\tfor <{single}>" if single.isascii() and single and '"' not in single else ""
    return (
        f"Received: from {helo} ([{_literal(envelope.host)}])\r\n"
        f"\tby {hostname} (Varco) with {_protocol(envelope)} id {envelope.id}{to};\r\n"
        f"\t{_date(envelope.received_at.replace(microsecond=0))}\r\n"
    )


def _literal(host: str) -> str:
    return f"IPv6:{host}" if ":" in host else host  # RFC 5321 4.1.3


def _protocol(envelope: Envelope) -> str:
    """RFC 3848, and RFC 6531 4.3 for UTF-8."""
    name = "UTF8SMTP" if envelope.smtputf8 else "ESMTP"
    return f"{name}{'S' if envelope.tls else ''}{'A' if envelope.login else ''}"


@lru_cache(maxsize=4)
def _date(second: datetime) -> str:
    return format_datetime(second.astimezone(UTC))
