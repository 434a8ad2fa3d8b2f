"""Stored events of a search: where the index says that they lie, or straight from the stream where subjects tell enough."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from varco_audit.index.event_index import EventIndex
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_common.base import subjects
from varco_common.base.errors import NotFound
from varco_common.bus import Bus, RawEvent

_PAGE = 500
_AHEAD = 256  # events read ahead of a slow client


class EventReader:
    """Reads EVENTS for a search. `draining` ends what follows."""

    def __init__(self, bus: Bus, index: EventIndex, search: EventSearch, draining: asyncio.Event) -> None:
        self._bus = bus
        self._index = index
        self._search = search
        self._draining = draining

    async def fetch(self, sequences: Sequence[int]) -> list[RawEvent]:
        """The events at these places, without those whose time in the stream is over."""
        found = await asyncio.gather(*map(self._one, sequences))
        return [raw for raw in found if raw]

    async def _one(self, sequence: int) -> RawEvent | None:
        try:
            return await self._bus.events.get(sequence)
        except NotFound:
            return None

    async def read(self, wanted: EventQuery, *, after: int, follow: bool) -> AsyncGenerator[RawEvent, None]:
        """All that are wanted behind `after`, oldest first; with `follow` also those to come, until this process drains."""
        source = self._stream if wanted.plain else self._indexed
        async with aclosing(source(wanted, after, follow)) as found:
            async for raw in found:
                yield raw

    async def _indexed(self, wanted: EventQuery, after: int, follow: bool) -> AsyncGenerator[RawEvent, None]:
        while True:
            applied = self._index.applied
            while found := await self._search.page(wanted, cursor=after, newest_first=False, limit=_PAGE):
                for raw in await self.fetch([one.sequence for one in found]):
                    yield raw
                after = found[-1].sequence
            if not follow or not await self._before_draining(self._index.grown(applied)):
                return

    async def _stream(self, wanted: EventQuery, after: int, follow: bool) -> AsyncGenerator[RawEvent, None]:
        facts = wanted.facts or ("*",)
        filters = [subjects.event(wanted.service or "*", fact, "*") for fact in facts]
        until = await self._bus.events.last_sequence(*filters)
        if not follow and until <= after:
            return
        events = self._bus.events.follow_raw(*filters, after=after)
        async with aclosing(_before(self._draining, events)) as found:
            async for raw in found:
                yield raw
                if not follow and raw.sequence >= until:
                    return

    async def _before_draining(self, fact: Coroutine[Any, Any, None]) -> bool:
        """Waits for the fact; False where the process drains first."""
        waiting, ending = asyncio.ensure_future(fact), asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((waiting, ending), return_when=asyncio.FIRST_COMPLETED)
            return waiting.done()
        finally:
            waiting.cancel()
            ending.cancel()


async def _before(end: asyncio.Event, events: AsyncGenerator[RawEvent, None]) -> AsyncGenerator[RawEvent, None]:
    """The events, until `end` is set; a wait for each of them by itself would cost more than reading it."""
    queue: asyncio.Queue[RawEvent | None] = asyncio.Queue(_AHEAD)

    async def read() -> None:
        async with aclosing(events):
            async for raw in events:
                await queue.put(raw)

    async def watch() -> None:
        await end.wait()
        await queue.put(None)

    tasks = (asyncio.create_task(read()), asyncio.create_task(watch()))
    try:
        while (raw := await queue.get()) is not None:
            yield raw
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
