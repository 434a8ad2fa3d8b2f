"""Reads the events of a query: by the sequences in the index, or straight from the stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from time import monotonic

from varco_audit.index.event_index import EventIndex
from varco_audit.index.packed_events import PackedEvents
from varco_audit.merging import merged
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_audit.search.in_time import InTime
from varco_audit.search.stream_bounds import StreamBounds
from varco_common.base import subjects
from varco_common.base.errors import NotFound, TransientError
from varco_common.bus import Bus, StreamMessage

_PAGE = 500


class EventReader:
    """Reads events. Followers end when `draining` is set."""

    def __init__(
        self, bus: Bus, index: EventIndex, search: EventSearch, packed: PackedEvents, draining: asyncio.Event
    ) -> None:
        self._bus = bus
        self._index, self._search, self._packed = index, search, packed
        self._bounds, self._draining = StreamBounds(bus), draining

    async def page(
        self,
        query: EventQuery,
        *,
        cursor: int = 0,
        newest_first: bool = False,
        limit: int = _PAGE,
        seconds: float | None = None,
    ) -> tuple[list[StreamMessage], int]:
        """One page of events, and the cursor of the next page; 0 if this is the last.

        It ends early after so many `seconds`, as `InTime` says.
        """
        began = monotonic()
        sequences = await self._search.page(query, cursor=cursor, newest_first=newest_first, limit=limit)
        raws: list[StreamMessage] = []
        for part in (in_time := InTime(sequences, seconds, began)):
            raws += await self.fetch(part)
        return raws, sequences[in_time.taken - 1] if in_time.is_cut or len(sequences) == limit else 0

    async def fetch(self, sequences: Sequence[int]) -> list[StreamMessage]:
        """The events at these places, without those that the stream has no longer.

        Those that are not packed, or not yet, come from EVENTS one by one. While the bus is away,
        packed events come also if they may have expired meanwhile.
        """
        sequences = await self._bounds.within(sequences)
        found: dict[int, StreamMessage] = {}
        with suppress(TransientError):  # while the database is away, all come from EVENTS
            found = await self._packed.find(sequences)
        missing = [sequence for sequence in dict.fromkeys(sequences) if sequence not in found]
        raws = await asyncio.gather(*(self._bus.events.get(sequence) for sequence in missing), return_exceptions=True)
        for sequence, raw in zip(missing, raws, strict=True):
            if isinstance(raw, StreamMessage):
                found[sequence] = raw
            elif not isinstance(raw, NotFound):
                raise raw
        return [found[sequence] for sequence in sequences if sequence in found]

    async def read(self, query: EventQuery, *, after: int, follow: bool) -> AsyncGenerator[StreamMessage, None]:
        """All matching events behind `after`, the oldest first.

        With `follow` it goes on with new events, until this process drains.
        """
        source = self._read_stream if query.by_subject else self._read_indexed
        events = source(query, after, follow)
        async with aclosing(_until_set(self._draining, events) if follow else events) as raws:
            async for raw in raws:
                yield raw

    async def _read_indexed(self, query: EventQuery, after: int, follow: bool) -> AsyncGenerator[StreamMessage, None]:
        while True:
            applied = self._index.applied
            while sequences := await self._search.page(query, cursor=after, newest_first=False, limit=_PAGE):
                for raw in await self.fetch(sequences):
                    yield raw
                after = sequences[-1]
            if not follow:
                return
            await self._index.wait_until_applied(applied + 1)

    async def _read_stream(self, query: EventQuery, after: int, follow: bool) -> AsyncGenerator[StreamMessage, None]:
        filters = [subjects.event(query.service or "*", fact, "*") for fact in query.facts or ("*",)]
        last = None if follow else await self._bus.events.last_sequence(*filters)
        async with aclosing(self._bus.events.follow_raw(*filters, after=after, last=last)) as raws:
            async for raw in raws:
                yield raw


async def _until_set(
    end: asyncio.Event, raws: AsyncGenerator[StreamMessage, None]
) -> AsyncGenerator[StreamMessage, None]:
    """The events until `end` is set. A wait for both at each event would cost too much."""

    async def ending() -> AsyncGenerator[None, None]:
        await end.wait()
        yield

    async with aclosing(merged(raws, ending())) as items:
        async for item in items:
            if item is None:
                return
            yield item
