"""One consumer of a stream for all its readers in this process: the bus delivers a message once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Generic, Protocol, TypeVar

from varco_audit.table_projection import ALL_EVENTS
from varco_common.base import subjects
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus, StoredRecord, StreamMessage

ALL_MAIL = subjects.mail("*", "*")

_QUEUED = 1_000  # messages that a reader may be behind before the others wait for it


class _Message(Protocol):
    @property
    def sequence(self) -> int: ...
    @property
    def subject(self) -> str: ...


M = TypeVar("M", bound=_Message)


class _Reader(Generic[M]):
    """The messages of some filters that were fed and not read yet. No filters: all messages."""

    def __init__(self, filters: tuple[str, ...]) -> None:
        self.queue: asyncio.Queue[M] = asyncio.Queue(_QUEUED)
        self._kinds = {tuple(each.split(".")[1:3]) for each in filters}

    def wants(self, message: M) -> bool:
        return not self._kinds or tuple(message.subject.split(".", 3)[1:3]) in self._kinds


class StreamFeed(Generic[M]):
    """`follow` is as `follow_all`, without a consumer of its own once it has caught up.

    Filters are those of a fact (`events.<service>.<fact>.*`), or `everything` alone.
    `follow_stored` is as `follow_all`, for what is stored already. `last_sequence` returns the last
    sequence that matches.
    """

    def __init__(
        self,
        everything: str,
        follow_all: Callable[..., AsyncGenerator[M, None]],
        follow_stored: Callable[..., AsyncGenerator[M, None]],
        last_sequence: Callable[..., Awaitable[int]],
    ) -> None:
        self._everything, self._last_sequence = everything, last_sequence
        self._follow_all, self._follow_stored = follow_all, follow_stored
        self._readers: set[_Reader[M]] = set()
        self._begun = asyncio.Event()

    async def run(self) -> None:
        """Feeds the readers until cancelled."""
        newest = await retry_until_available(lambda: self._last_sequence(self._everything))
        self._begun.set()
        async with aclosing(self._follow_all(self._everything, after=newest)) as messages:
            async for message in messages:
                for reader in [*self._readers]:
                    if reader.wants(message):
                        await reader.queue.put(message)

    async def follow(self, *filters: str, after: int = 0) -> AsyncGenerator[M, None]:
        """Yields the messages that match any filter, from `after` + 1, in order, for ever.

        Raises TransientError if the bus is away before it has caught up.
        """
        await self._begun.wait()
        async with aclosing(self._until_now(filters, after)) as messages:
            async for message in messages:
                yield message
                after = message.sequence
        reader: _Reader[M] = _Reader(() if self._everything in filters else filters)
        self._readers.add(reader)
        try:
            async with aclosing(self._until_now(filters, after)) as messages:  # what was fed before it joined
                async for message in messages:
                    yield message
                    after = message.sequence
            while True:
                message = await reader.queue.get()
                if message.sequence > after:
                    yield message
        finally:
            self._readers.discard(reader)
            while not reader.queue.empty():  # the feed may be waiting for room in it
                reader.queue.get_nowait()

    async def _until_now(self, filters: tuple[str, ...], after: int) -> AsyncGenerator[M, None]:
        last = await self._last_sequence(*filters)
        if last <= after:
            return
        async with aclosing(self._follow_stored(*filters, after=after)) as messages:
            async for message in messages:
                yield message
                if message.sequence >= last:
                    return


def event_feed(bus: Bus) -> StreamFeed[StreamMessage]:
    """Of EVENTS, not decoded. The service must be one that may read every event."""
    stored = partial(bus.events.follow_raw, stored=True)
    return StreamFeed(ALL_EVENTS, bus.events.follow_raw, stored, bus.events.last_sequence)


def mail_feed(bus: Bus) -> StreamFeed[StoredRecord]:
    """Of MAIL, without bodies."""
    return StreamFeed(ALL_MAIL, bus.mail.follow, bus.mail.follow, bus.mail.last_sequence)
