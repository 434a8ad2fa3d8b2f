"""MAIL: one record for each accepted mail, its header holding all but the body."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from varco_common import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import Connection
from varco_common.bus.ordered import Ordered
from varco_common.bus.wire import diverted, header, status
from varco_common.errors import PoisonError, TransientError
from varco_common.record import HEADER, decode_record, encode_record
from varco_common.record import Record as MailRecord

_RECORD = HEADER.encode()
_ASKED_AGAIN = 3  # times in all: what the leader has may have been stored between the two questions
_DIVERTED = "not a mail record: an answer that was diverted into the stream"


class MissingMail(PoisonError):
    """No mail at this sequence: it never was, or its time is over."""


class StoredMail(msgspec.Struct, frozen=True):
    """A mail where it lies: its place in MAIL, when it was stored (UTC), record and inline body (wire form)."""

    sequence: int
    at: datetime
    subject: str
    record: MailRecord
    body: bytes


class Record(NamedTuple):
    """A record as its header has it, not decoded: its place in MAIL, and when it was stored (milliseconds since 1970).

    `record` is empty where there is none. `pending` is how many more there are behind it for who follows.
    """

    sequence: int
    at: int
    record: bytes
    subject: str = ""
    pending: int = 0


def message_id(kind: str, record: MailRecord) -> str:
    """What a second try is known by, so that it stores nothing: the mail id; with the kind where a worker made it."""
    mail = record.envelope.id
    return mail if kind in ("accepted", "convert") else f"{mail}.{kind}"


async def append(
    link: Connection, kind: str, record: MailRecord, body: bytes, *, timeout: float, expect: int | None = None
) -> int:
    guard = b"" if expect is None else b"Nats-Expected-Last-Subject-Sequence: %d\r\n" % expect
    headers = b"NATS/1.0\r\nNats-Msg-Id: %s\r\n%sVarco-Record: %s\r\n\r\n" % (
        message_id(kind, record).encode(),
        guard,
        encode_record(record).encode(),
    )
    subject = subjects.mail(kind, subjects.token(record.envelope.account))
    return await jetstream.append(link, subject, body, headers, timeout, named=True)


async def get(link: Connection, sequence: int, timeout: float) -> StoredMail:
    return await _asked(link, {"seq": sequence}, f"no mail at {sequence}", timeout)


async def following(link: Connection, sequence: int, subject: str, timeout: float) -> StoredMail | None:
    """The first mail with exactly this subject at `sequence` or later."""
    try:
        return await _asked(link, {"seq": sequence, "next_by_subj": subject}, "", timeout)
    except MissingMail:
        return None


async def _asked(link: Connection, question: dict[str, Any], missing: str, timeout: float) -> StoredMail:
    asked = msgspec.json.encode(question)
    for _ in range(_ASKED_AGAIN):
        headers, body = await link.request(f"$JS.API.DIRECT.GET.{subjects.MAIL}", asked, timeout=timeout)
        code = status(headers)
        if code != 404:
            break
        if await jetstream.is_gone(link, subjects.MAIL, question):
            raise MissingMail(missing)
    if code:
        raise TransientError(f"MAIL can't be read at present ({code})")
    stored = datetime.fromisoformat(_microseconds(header(headers, b"Nats-Time-Stamp").decode()))
    subject = header(headers, b"Nats-Subject").decode()
    sequence = int(header(headers, b"Nats-Sequence"))
    if headers.count(b"\r\nNats-Stream:") > 1:  # the server's for this answer, and one that was stored: see `diverted`
        raise PoisonError(_DIVERTED)
    return StoredMail(sequence, stored.astimezone(UTC), subject, record_of(headers), body)


async def records(
    link: Connection, filters: tuple[str, ...], after: int, name: str = ""
) -> AsyncGenerator[Record, None]:
    async with Ordered.open(link, subjects.MAIL, filters, after, headers_only=True, name=name) as messages:
        async for one in messages:
            record = b"" if diverted(one.headers) else header(one.headers, _RECORD)  # no record: who pulls it parks it
            yield Record(one.sequence, one.at // 1_000_000, record, one.subject, one.pending)


def record_of(headers: bytes) -> MailRecord:
    """Raises PoisonError on what is no record."""
    try:
        return decode_record(header(headers, _RECORD))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PoisonError(f"not a mail record: {error}") from error


def own_record(headers: bytes) -> MailRecord:
    """As `record_of`, of a record as it was stored: one that nobody published is none."""
    if diverted(headers):
        raise PoisonError(_DIVERTED)
    return record_of(headers)


def _microseconds(stamp: str) -> str:
    """An RFC 3339 time with nanoseconds, cut to what datetime can hold."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction[:6]:0<6}+00:00"
