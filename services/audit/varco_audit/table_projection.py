"""Follows EVENTS into tables: a batch of events and the position behind it, in one transaction."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from time import time
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit.batches import Batches, BatchLimits
from varco_common.base import log
from varco_common.base.errors import ConflictError, Degraded, TransientError
from varco_common.base.tasks import done_within, uncancellable
from varco_common.base.watermark import Watermark
from varco_common.bus import Bus, StreamMessage
from varco_common.storage.database import progress
from varco_common.storage.database.table_access import TableAccess

ALL_EVENTS = "events.>"

_RETRY_SECONDS = 0.5
_log = log.get(__name__)


class TableProjection(ABC):
    """Tables that contain what the events up to sequence `applied` say.

    Lost or incomplete tables are filled from the events themselves; no other state is needed.
    Several processes may run the same projection: each batch is written by one of them.
    Methods that read or write raise TransientError while the database is away.
    `follow` is how they get their events: from a consumer of their own, or from a StreamFeed.
    """

    NAME: ClassVar[str]  # the key in table `progress`
    FILTERS: ClassVar[tuple[str, ...]]

    def __init__(self, bus: Bus, engine: AsyncEngine, limits: BatchLimits) -> None:
        self._limits = limits
        self.follow: Callable[..., AsyncGenerator[StreamMessage, None]] = bus.events.follow_raw
        self._access = TableAccess(engine)
        self.insert, self.read = self._access.insert, self._access.read
        self._applied = Watermark()
        self._failure = ""
        self._oldest: float | None = None  # when the oldest event was stored that isn't applied
        self.pending = 0  # events in the stream that aren't applied, as of the last batch

    @property
    def applied(self) -> int:
        return self._applied.value

    @abstractmethod
    async def load(self, connection: AsyncConnection) -> None:
        """Reads what `write` needs to know of the tables."""

    @abstractmethod
    async def write(self, connection: AsyncConnection, events: Sequence[StreamMessage]) -> None:
        """Writes what the events say, in the transaction of `connection`."""

    def written(self, events: Sequence[StreamMessage]) -> None:  # noqa: B027 - few need it
        """Called after the transaction of these events."""

    async def run(self) -> None:
        """Follows the events for ever. Waits while the bus or the database is away."""
        while True:
            try:
                await self._follow(await uncancellable(self.open()))
            except ConflictError as error:
                _log.info("another process was faster: reading the position again", error=str(error))
            except TransientError as error:
                self._failure = str(error)
                _log.warning("events can't be written to the tables", projection=self.NAME, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def open(self) -> int:
        """Reads the position of the tables, and returns it."""
        async with self._access.transaction() as connection:
            first = self.insert(progress).values(projection=self.NAME, sequence=0)
            await connection.execute(first.on_conflict_do_nothing())
            query = sa.select(progress.c.sequence).where(progress.c.projection == self.NAME)
            position = int((await connection.execute(query)).scalar_one())
            await self.load(connection)
        self._applied.advance(position)
        return position

    async def apply(self, events: Sequence[StreamMessage]) -> None:
        """Writes events behind `applied`, in their order.

        Raises ConflictError if another process has written meanwhile: `open` again.
        """
        await uncancellable(self._transaction(events))
        self._failure = ""
        self._applied.advance(events[-1].sequence)

    async def wait_until_applied(self, sequence: int, timeout: float | None = None) -> None:
        """Returns once all events up to `sequence`, which passes the filters, are applied.

        Raises TransientError after `timeout` seconds.
        """
        if not await done_within(self._applied.reached(sequence), timeout):
            raise TransientError(f"{self.NAME} stands at event {self.applied}, not yet at {sequence}")

    def check(self) -> None:
        """For /readyz: raises Degraded if the last batch could not be written."""
        if self._failure:
            raise Degraded(
                f"events can't be written to the tables (search and traces lack the newest): {self._failure}"
            )

    def lag(self) -> float:
        """The age of the oldest event that isn't applied, in seconds."""
        return max(time() - self._oldest, 0) if self._oldest else 0.0

    async def _follow(self, after: int) -> None:
        events = self.follow(*self.FILTERS, after=after)
        async with Batches.of(events, self._limits, lambda raw: len(raw.payload)) as batches:
            async for batch in batches:
                last = batch[-1]
                self._oldest, self.pending = batch[0].at / 1e9, len(batch) + last.pending
                await self.apply(batch)
                self._oldest, self.pending = last.at / 1e9 if last.pending else None, last.pending

    async def _transaction(self, events: Sequence[StreamMessage]) -> None:
        position = (progress.c.projection == self.NAME, progress.c.sequence == self.applied)
        async with self._access.transaction() as connection:
            moved = await connection.execute(progress.update().where(*position).values(sequence=events[-1].sequence))
            if not moved.rowcount:
                raise ConflictError(f"another process writes {self.NAME} as well")
            await self.write(connection, events)
        self.written(events)
