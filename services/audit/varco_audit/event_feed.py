"""One consumer of EVENTS for all tables of this process: the bus delivers each event once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from varco_audit.table_projection import ALL_EVENTS
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus, StreamMessage

_QUEUED = 1_000  # events that a reader may be behind before the others wait for it


class _Reader:
    """The events of some filters that were fed and not read yet."""

    def __init__(self, filters: tuple[str, ...]) -> None:
        self.queue: asyncio.Queue[StreamMessage] = asyncio.Queue(_QUEUED)
        self._facts = {tuple(each.split(".")[1:3]) for each in filters if each != ALL_EVENTS}

    def wants(self, message: StreamMessage) -> bool:
        return not self._facts or tuple(message.subject.split(".", 3)[1:3]) in self._facts


class EventFeed:
    """`follow` is `EventLog.follow_raw` without a consumer of its own, once it has caught up.

    Filters are those of a fact (`events.<service>.<fact>.*`), or ALL_EVENTS alone.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._readers: set[_Reader] = set()
        self._begun = asyncio.Event()

    async def run(self) -> None:
        """Feeds the readers until cancelled."""
        newest = await retry_until_available(lambda: self._bus.events.last_sequence(ALL_EVENTS))
        self._begun.set()
        async with aclosing(self._bus.events.follow_raw(ALL_EVENTS, after=newest)) as messages:
            async for message in messages:
                for reader in [*self._readers]:
                    if reader.wants(message):
                        await reader.queue.put(message)

    async def follow(self, *filters: str, after: int = 0) -> AsyncGenerator[StreamMessage, None]:
        """Yields the messages that match any filter, from `after` + 1, in order, for ever.

        Raises TransientError if the bus is away before it has caught up.
        """
        await self._begun.wait()
        async with aclosing(self._until_now(filters, after)) as messages:
            async for message in messages:
                yield message
                after = message.sequence
        reader = _Reader(filters)
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

    async def _until_now(self, filters: tuple[str, ...], after: int) -> AsyncGenerator[StreamMessage, None]:
        last = await self._bus.events.last_sequence(*filters)
        async with aclosing(self._bus.events.follow_raw(*filters, after=after, last=last)) as messages:
            async for message in messages:
                yield message
