"""EVENTS: facts appended with an expectation, and followed in order without a gap."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from varco_common import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import Connection
from varco_common.bus.ordered import Ordered
from varco_common.bus.parking import parked
from varco_common.bus.wire import diverted, header, headers_of, nanoseconds, status
from varco_common.errors import NotFound, TransientError
from varco_common.events import AnyEvent, Event, decode_said, encode_event

log = logging.getLogger(__name__)

_GET_SECONDS = 5.0


class Stored(msgspec.Struct, frozen=True):
    """An event where it lies: its place in EVENTS, and when it was stored (UTC)."""

    sequence: int
    at: datetime
    event: AnyEvent


class Unread(NamedTuple):
    """What lies at this sequence and is no event, and why."""

    sequence: int
    why: str


class Raw(NamedTuple):
    """An event as it lies, not decoded. `at` is when it was stored, in nanoseconds since 1970.

    `pending` is how many more there are behind it for who follows. `own` is False where nobody said it: see `diverted`.
    """

    sequence: int
    at: int
    subject: str
    payload: bytes
    pending: int = 0
    own: bool = True


async def append(
    link: Connection,
    event: Event,
    *,
    expect: int | None,
    expect_subject: str | None,
    once: str,
    timeout: float,
) -> int:
    subject = event.subject
    fields = []
    if expect is not None:
        fields.append(("Nats-Expected-Last-Subject-Sequence", str(expect)))
        if expect_subject is not None and expect_subject != subject:
            fields.append(("Nats-Expected-Last-Subject-Sequence-Subject", expect_subject))
    if once:
        fields.append(("Nats-Msg-Id", once))
    headers = headers_of(*fields) if fields else b""
    return await jetstream.append(link, subject, encode_event(event), headers, timeout, named=bool(once))


async def append_encoded(
    link: Connection, batch: Sequence[tuple[str, bytes]], expect: int, expect_subject: str, timeout: float
) -> int:
    expected = (
        ("Nats-Expected-Last-Subject-Sequence", str(expect)),
        ("Nats-Expected-Last-Subject-Sequence-Subject", expect_subject),
    )
    if len(batch) == 1:  # a batch of its own costs the server five times as much (ADR 17)
        subject, payload = batch[0]
        return await jetstream.append(link, subject, payload, headers_of(*expected), timeout)
    return await jetstream.append_batch(link, batch, expected, timeout)


async def follow(
    link: Connection, filters: tuple[str, ...], after: int, timeout: float, name: str = ""
) -> AsyncGenerator[Stored, None]:
    async with Ordered.open(link, subjects.EVENTS, filters, after, name=name) as messages:
        async for sequence, nanoseconds, subject, headers, payload, _ in messages:
            if diverted(headers):
                await parked(link, subjects.EVENTS, sequence, "an answer that was diverted into the stream", timeout)
                continue
            try:
                event = decode_said(subject, payload)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                await parked(link, subjects.EVENTS, sequence, str(error), timeout)
                continue
            yield Stored(sequence, datetime.fromtimestamp(nanoseconds / 1e9, UTC), event)


async def raw(link: Connection, filters: tuple[str, ...], after: int) -> AsyncGenerator[Raw, None]:
    """As `follow`, with nothing decoded and nothing left out."""
    async with Ordered.open(link, subjects.EVENTS, filters, after) as messages:
        async for one in messages:
            yield Raw(one.sequence, one.at, one.subject, one.payload, one.pending, not diverted(one.headers))


async def read(
    link: Connection, filters: tuple[str, ...], after: int, last: int
) -> AsyncGenerator["Stored | Unread", None]:
    """In (after, last], to the end and no further. What can't be decoded is told and not parked: reading changes nothing."""
    newest = max([await jetstream.last_sequence(link, subjects.EVENTS, one) for one in filters], default=0)
    if newest <= after:
        return
    async with Ordered.open(link, subjects.EVENTS, filters, after) as messages:
        async for sequence, nanoseconds, subject, headers, payload, pending in messages:
            if sequence > last:
                return
            if diverted(headers):
                yield Unread(sequence, "an answer that was diverted into the stream")
            else:
                try:
                    event = decode_said(subject, payload)
                    yield Stored(sequence, datetime.fromtimestamp(nanoseconds / 1e9, UTC), event)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    yield Unread(sequence, str(error))
            if sequence == last or not pending:
                return


async def first_at(link: Connection, at: datetime) -> int:
    """The sequence of the first event that was stored at `at` or later; one more than the last where there is none."""
    question = msgspec.json.encode({"start_time": at.astimezone(UTC).isoformat(), "next_by_subj": "events.>"})
    headers, _ = await link.request(f"$JS.API.DIRECT.GET.{subjects.EVENTS}", question, timeout=_GET_SECONDS)
    if (code := status(headers)) == 404:
        return await jetstream.last_sequence(link, subjects.EVENTS, "events.>") + 1
    if code:
        raise TransientError(f"EVENTS can't be read at present ({code})")
    return int(header(headers, b"Nats-Sequence"))


async def get(link: Connection, sequence: int, timeout: float) -> Raw:
    """Raises NotFound where there is none."""
    question = b'{"seq":%d}' % sequence
    headers, payload = await link.request(f"$JS.API.DIRECT.GET.{subjects.EVENTS}", question, timeout=timeout)
    if (code := status(headers)) == 404:
        raise NotFound(f"no event {sequence}")
    if code:
        raise TransientError(f"EVENTS can't be read at present ({code})")
    at = nanoseconds(header(headers, b"Nats-Time-Stamp").decode())
    subject = header(headers, b"Nats-Subject").decode()
    own = headers.count(b"\r\nNats-Stream:") == 1  # this answer's alone
    return Raw(int(header(headers, b"Nats-Sequence")), at, subject, payload, own=own)


async def since(link: Connection, subject_filter: str, at: datetime) -> AsyncGenerator[Stored, None]:
    """One direct read for each event: for short stretches. What can't be decoded is left to followers to park."""
    question: dict[str, str | int] = {"start_time": at.isoformat(), "next_by_subj": subject_filter}
    while True:
        headers, payload = await link.request(
            f"$JS.API.DIRECT.GET.{subjects.EVENTS}", msgspec.json.encode(question), timeout=_GET_SECONDS
        )
        if (code := status(headers)) == 404:
            return
        if code:
            raise TransientError(f"EVENTS can't be read at present ({code})")
        sequence = int(header(headers, b"Nats-Sequence"))
        question = {"seq": sequence + 1, "next_by_subj": subject_filter}
        stored = datetime.fromisoformat(header(headers, b"Nats-Time-Stamp").decode()[:19] + "+00:00")
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield Stored(sequence, stored, decode_said(header(headers, b"Nats-Subject").decode(), payload))
