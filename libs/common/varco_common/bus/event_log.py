"""Stream EVENTS: append with an expectation; follow in order and without a gap."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import NotFound
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.dead_letters import park
from varco_common.bus.headers import headers_of
from varco_common.bus.jetstream import StreamMessage
from varco_common.bus.merged_consumer import MergedConsumer
from varco_common.bus.ordered_consumer import OrderedConsumer, sequence_before
from varco_common.events import AnyEvent, Event, RecordParked, decode_authenticated, encode_event

log = logging.getLogger(__name__)

UNUSABLE = (ValueError, OverflowError, RecursionError)
"""What a handler raises because of a value in an event, such as a network that is none.

A follower parks such an event and goes on. Any other exception is a bug, which ends the service.
"""

_LOOK_BACK = 10_000  # sequences that are read first if nobody published the last message


class StoredEvent(msgspec.Struct, frozen=True):
    """An event with its sequence in EVENTS and the time it was stored (UTC)."""

    sequence: int
    at: datetime
    event: AnyEvent


class UnreadableEvent(NamedTuple):
    """A stored message that is no event, and why.

    `event` is None, so that a follower passes over it, and yet knows that it passed `sequence`.
    """

    sequence: int
    at: datetime
    why: str
    event: None = None


class EventLog:
    """Stream EVENTS as services use it. Methods raise TransientError while the bus is away.

    With `whole` the service may read every event: several filters are one consumer then. That is
    best for events that come one at a time. Those that are stored are read faster by a consumer for
    each filter: for one with several filters NATS works eight times as long.
    """

    def __init__(self, connection: NatsConnection, timeout: float) -> None:
        self._connection, self._timeout = connection, timeout
        self.whole = False

    async def append(
        self, event: Event, *, expect: int | None = None, expect_subject: str | None = None, once: str = ""
    ) -> int:
        """Appends the event and returns its sequence once it is fsynced.

        Raises ConflictError when the last sequence of `expect_subject` (may hold wildcards;
        default: the event's own subject) is not `expect`; 0 expects that there is none. `once`
        names the append: a second append of that name within two minutes stores nothing and returns
        the sequence of the first. Raises StoreFull. After a TransientError the event may be stored.
        """
        subject = event.subject
        fields = []
        if expect is not None:
            fields.append(("Nats-Expected-Last-Subject-Sequence", str(expect)))
            if expect_subject is not None and expect_subject != subject:
                fields.append(("Nats-Expected-Last-Subject-Sequence-Subject", expect_subject))
        if once:
            fields.append(("Nats-Msg-Id", once))
        headers = headers_of(*fields) if fields else b""
        payload = encode_event(event)
        return await jetstream.append(self._connection, subject, payload, headers, self._timeout, named=bool(once))

    async def append_encoded(self, batch: Sequence[tuple[str, bytes]], *, expect: int, expect_subject: str) -> int:
        """Appends up to 1,000 encoded events (subject, JSON), all in order or none.

        Returns the sequence of the last one. `expect` is the last sequence of `expect_subject`;
        the errors are those of `append`.
        """
        expected = (
            ("Nats-Expected-Last-Subject-Sequence", str(expect)),
            ("Nats-Expected-Last-Subject-Sequence-Subject", expect_subject),
        )
        if len(batch) == 1:  # a batch of one costs the server five times as much (ADR 17)
            subject, payload = batch[0]
            return await jetstream.append(self._connection, subject, payload, headers_of(*expected), self._timeout)
        return await jetstream.append_batch(self._connection, batch, expected, self._timeout)

    async def last(
        self, subject_filter: str, *, readable: Callable[[bytes], bool] = lambda _: True
    ) -> tuple[int, bytes]:
        """Sequence of the last message that matches, payload of the last one that can be used.

        (0, b"") if there is none. They differ where an answer was diverted into the stream, or
        where the last payload is not `readable`: an append must expect the sequence nevertheless.
        """
        last = await jetstream.last_message(self._connection, subjects.EVENTS, subject_filter)
        if last is None:
            return 0, b""
        if last.own and readable(last.payload):
            return last.sequence, last.payload
        for span in (_LOOK_BACK, last.sequence):
            if payload := await self._last_readable(subject_filter, last.sequence - span, last.sequence, readable):
                break
        return last.sequence, payload

    async def _last_readable(
        self, subject_filter: str, after: int, last: int, readable: Callable[[bytes], bool]
    ) -> bytes:
        """Its payload; empty if (after, last] has no such event."""
        payload = b""
        async with aclosing(self.follow_raw(subject_filter, after=max(after, 0), last=last)) as messages:
            async for message in messages:
                if message.own and readable(message.payload):
                    payload = message.payload
        return payload

    async def last_sequence(self, *filters: str) -> int:
        """The sequence of the last event that matches any filter; 0 if there is none."""
        return max(await asyncio.gather(*map(self._last_sequence, filters)), default=0)

    async def _last_sequence(self, subject_filter: str) -> int:
        own = RecordParked.subject_filter(subjects.token(self._connection.name))  # every service may append that
        return await jetstream.leaders_last_sequence(self._connection, own, subject_filter, self._timeout)

    async def follow(
        self, *filters: str, after: int = 0, name: str = ""
    ) -> AsyncGenerator[StoredEvent | UnreadableEvent, None]:
        """Yields the events that match any filter, from `after` + 1, in order, for ever.

        A message that cannot be decoded is parked (`RecordParked`), then yielded as
        UnreadableEvent: whoever waits for its sequence would wait for ever without it. Wrap the
        generator in `aclosing` if the loop may end early. `name` labels its lag in the metrics.
        """
        async with self._messages(filters, after, name, whole=self.whole) as messages:
            async for message in messages:
                decoded = _decode(message)
                if isinstance(decoded, UnreadableEvent):
                    await park(self._connection, subjects.EVENTS, decoded.sequence, decoded.why, self._timeout)
                yield decoded

    async def park_unapplied(self, stored: StoredEvent | UnreadableEvent, why: str) -> None:
        """Parks an event that a follower could not apply (`UNUSABLE`).

        A RecordParked is only logged: what parks it would fail at that as well, without end.
        """
        log.error("event %d cannot be applied: %s", stored.sequence, why, exc_info=True)  # noqa: LOG014 - the caller handles one
        if not isinstance(stored.event, RecordParked):
            await park(self._connection, subjects.EVENTS, stored.sequence, why, self._timeout)

    async def follow_raw(
        self, *filters: str, after: int = 0, last: int | None = None, stored: bool = False
    ) -> AsyncGenerator[StreamMessage, None]:
        """As `follow`, but payloads are not decoded and nothing is skipped.

        Ends with the event at `last`, which must match a filter. `stored`: many of the events are
        stored already. Then no event may match two filters.
        """
        if last is not None and last <= after:
            return
        async with self._messages(filters, after, whole=self.whole and not stored) as messages:
            async for message in messages:
                yield message
                if last is not None and message.sequence >= last:
                    return

    async def read(
        self, *filters: str, after: int = 0, last: int | None = None
    ) -> AsyncGenerator[StoredEvent | UnreadableEvent, None]:
        """Yields the events that match any filter in (after, last], then ends. It parks nothing.

        Without `last`, up to the last one now.
        """
        newest = await self.last_sequence(*filters)
        async with aclosing(self.follow_raw(*filters, after=after, last=newest)) as messages:
            async for message in messages:
                if last is not None and message.sequence > last:
                    return
                yield _decode(message)

    async def first_at(self, at: datetime, *filters: str) -> int:
        """The sequence of the first event stored at `at` or later that matches any filter.

        One more than the last event if there is none.
        """
        before = (sequence_before(self._connection, subjects.EVENTS, each, at) for each in filters)
        return min(await asyncio.gather(*before)) + 1

    async def get(self, sequence: int) -> StreamMessage:
        """The event at this sequence, not decoded. Raises NotFound.

        Only for a service that may read every event, as `last` is.
        """
        message = await jetstream.direct_get(self._connection, subjects.EVENTS, {"seq": sequence}, self._timeout)
        if message is None:
            raise NotFound(f"no event {sequence}")
        return message

    async def bounds(self) -> tuple[int, int]:
        """The first sequence that is still there, and the last one ever given.

        In an empty stream the first is the next one to be given.
        """
        return await jetstream.bounds(self._connection, subjects.EVENTS)

    async def since(self, subject_filter: str, at: datetime) -> AsyncGenerator[StoredEvent, None]:
        """Yields the matching events stored at `at` or later, up to the last one there is now.

        An event that cannot be decoded is skipped; followers park it.
        """
        after = await self.first_at(at, subject_filter) - 1
        async with aclosing(self.read(subject_filter, after=after)) as events:
            async for stored in events:
                if isinstance(stored, StoredEvent):
                    yield stored

    def listen(self, *filters: str, callback: Callable[[str], None]) -> None:
        """Calls `callback` with the subject of each event of subjects.TOLD that passes.

        It needs no right to read the event. Events are missed while disconnected.
        """

        def passed(subject: bytes, _reply: bytes, _headers: bytes, _payload: bytes) -> None:
            callback(subjects.passed(subject.decode()))

        for subject_filter in filters:
            self._connection.subscribe(subjects.passing(subject_filter), passed)

    def _messages(
        self, filters: tuple[str, ...], after: int, name: str = "", *, whole: bool
    ) -> AbstractAsyncContextManager[OrderedConsumer | MergedConsumer]:
        if whole or len(set(filters)) == 1:
            return OrderedConsumer.open(
                self._connection, subjects.EVENTS, tuple(dict.fromkeys(filters)), after, name=name
            )
        return MergedConsumer.open(self._connection, subjects.EVENTS, filters, after, self._last_sequence, name=name)


def _decode(message: StreamMessage) -> StoredEvent | UnreadableEvent:
    at = datetime.fromtimestamp(message.at / 1e9, UTC)
    if not message.own:
        return UnreadableEvent(message.sequence, at, "an answer that was diverted into the stream")
    try:
        event = decode_authenticated(message.subject, message.payload)
    except msgspec.DecodeError as error:
        return UnreadableEvent(message.sequence, at, str(error))
    return StoredEvent(message.sequence, at, event)
