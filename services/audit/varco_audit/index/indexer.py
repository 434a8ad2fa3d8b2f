"""The indexer: follows EVENTS into the index, from wherever the index ends."""

import asyncio
from time import time

from varco_audit import metrics
from varco_audit.batches import Batches, BatchLimits
from varco_audit.index.event_index import EventIndex
from varco_audit.index.index_fields import index_row
from varco_common.base import log
from varco_common.base.errors import ConflictError, TransientError
from varco_common.bus import Bus, RawEvent

EVERYTHING = "events.>"

_RETRY_SECONDS = 0.5
_log = log.get(__name__)


class Indexer:
    """An index that is lost, or behind, is made from the events themselves; nothing else has to be known."""

    def __init__(self, bus: Bus, index: EventIndex, limits: BatchLimits) -> None:
        self._bus = bus
        self._index = index
        self._limits = limits
        self._oldest: float | None = None  # when the oldest event was stored that isn't indexed, as far as it was read
        metrics.INDEX_LAG.set_function(self._lag)

    async def run(self) -> None:
        """For ever, whatever is away meanwhile."""
        while True:
            try:
                await self._follow(await self._index.open())
            except ConflictError as error:
                _log.info("reading again how far the index goes", why=str(error))
            except TransientError as error:
                _log.warning("events can't be indexed at present", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self, after: int) -> None:
        async with Batches.of(self._bus.events.follow_raw(EVERYTHING, after=after), self._limits, _size) as batches:
            async for batch in batches:
                self._oldest = batch[0].at / 1e9
                metrics.INDEX_PENDING.set(len(batch) + batch[-1].pending)
                await self._index.add([index_row(raw) for raw in batch])
                metrics.INDEX_PENDING.set(batch[-1].pending)
                metrics.INDEXED.inc(len(batch))
                self._oldest = batch[-1].at / 1e9 if batch[-1].pending else None

    def _lag(self) -> float:
        return max(time() - self._oldest, 0) if self._oldest else 0.0


def _size(raw: RawEvent) -> int:
    return len(raw.payload)
