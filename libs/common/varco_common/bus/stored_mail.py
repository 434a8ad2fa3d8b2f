"""A mail as it is stored in MAIL: how it is read, and its record in the headers."""

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
DIVERTED = "not a mail record: an answer that was diverted into the stream"
_ATTEMPTS = 3  # the leader may have stored the mail between the two questions


class MissingMail(PoisonError):
    """There is no mail at this sequence: it never was, or its time is over."""


class StoredMail(msgspec.Struct, frozen=True):
    """A mail where it lies: its place in MAIL, when it was stored (UTC), record and inline body (wire form)."""

    sequence: int
    at: datetime
    subject: str
    record: MailRecord
    body: bytes


async def get_mail(connection: NatsConnection, question: dict[str, Any], missing: str, timeout: float) -> StoredMail:
    """Direct-gets one mail. Raises MissingMail with the text `missing`, TransientError."""
    payload = msgspec.json.encode(question)
    for _ in range(_ATTEMPTS):
        headers, body = await connection.request(f"$JS.API.DIRECT.GET.{subjects.MAIL}", payload, timeout=timeout)
        code = status(headers)
        if code != 404:
            break
        if await jetstream.is_gone(connection, subjects.MAIL, question):
            raise MissingMail(missing)
    if code:
        raise TransientError(f"MAIL can't be read at present ({code})")
    stored = datetime.fromisoformat(_microseconds(header(headers, b"Nats-Time-Stamp").decode()))
    subject = header(headers, b"Nats-Subject").decode()
    sequence = int(header(headers, b"Nats-Sequence"))
    if headers.count(b"\r\nNats-Stream:") > 1:  # one from the server, and one that was stored: see `is_reflected`
        raise PoisonError(DIVERTED)
    return StoredMail(sequence, stored.astimezone(UTC), subject, record_of(headers), body)


def record_of(headers: bytes) -> MailRecord:
    """Raises PoisonError on what is no record."""
    try:
        return decode_record(header(headers, RECORD))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PoisonError(f"not a mail record: {error}") from error


def own_record(headers: bytes) -> MailRecord:
    """As `record_of`, of a record as it was stored: one that nobody published is none."""
    if is_reflected(headers):
        raise PoisonError(DIVERTED)
    return record_of(headers)


def _microseconds(stamp: str) -> str:
    """An RFC 3339 time with nanoseconds, cut to what datetime can hold."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction[:6]:0<6}+00:00"
