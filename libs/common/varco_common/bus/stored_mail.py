"""A mail in stream MAIL: reading it, and the record in its headers."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import header, is_reflected, status
from varco_common.mail.record import HEADER, MailRecord, decode_record

RECORD = HEADER.encode()
REFLECTED = "not a mail record: an answer that was diverted into the stream"
_ATTEMPTS = 3  # the leader may store the mail between the two requests


class MissingMail(PoisonError):
    """There is no mail at this sequence: it never existed, or it expired."""


class StoredMail(msgspec.Struct, frozen=True):
    """A mail, its sequence in MAIL and when it was stored (UTC). `body` is inline, in wire form."""

    sequence: int
    at: datetime
    subject: str
    record: MailRecord
    body: bytes


async def get_mail(connection: NatsConnection, request: dict[str, Any], missing: str, timeout: float) -> StoredMail:
    """Reads one mail by a direct get.

    Raises MissingMail with the text `missing`, PoisonError, TransientError.
    """
    payload = msgspec.json.encode(request)
    for _ in range(_ATTEMPTS):
        headers, body = await connection.request(f"$JS.API.DIRECT.GET.{subjects.MAIL}", payload, timeout=timeout)
        code = status(headers)
        if code != 404:
            break
        if await jetstream.is_gone(connection, subjects.MAIL, request):
            raise MissingMail(missing)
    if code:
        raise TransientError(f"MAIL cannot be read at present ({code})")
    stored = datetime.fromisoformat(_microseconds(header(headers, b"Nats-Time-Stamp").decode()))
    subject = header(headers, b"Nats-Subject").decode()
    sequence = int(header(headers, b"Nats-Sequence"))
    if headers.count(b"\r\nNats-Stream:") > 1:  # the server adds one: a second one was stored, see `is_reflected`
        raise PoisonError(REFLECTED)
    return StoredMail(sequence, stored.astimezone(UTC), subject, record_of(headers), body)


def record_of(headers: bytes) -> MailRecord:
    """Decodes the record in a mail's headers. Raises PoisonError."""
    try:
        return decode_record(header(headers, RECORD))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PoisonError(f"not a mail record: {error}") from error


def own_record(headers: bytes) -> MailRecord:
    """As `record_of`, for headers as they are stored.

    Raises PoisonError also if nobody published the message.
    """
    if is_reflected(headers):
        raise PoisonError(REFLECTED)
    return record_of(headers)


def _microseconds(stamp: str) -> str:
    """Cuts an RFC 3339 time to microseconds, the resolution of datetime."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction[:6]:0<6}+00:00"
