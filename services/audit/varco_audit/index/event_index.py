"""The index as it is written: rows and how far they go, in one transaction."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit.index.index_fields import IndexRow
from varco_audit.index.tables import events, facts, others, recipients
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import uncancellable
from varco_common.storage.database import AWAY, READ_ONLY, progress

PROJECTION = "events"


class EventIndex:
    """`applied` is the sequence up to which all events are indexed. Raises TransientError while the database is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.reading = engine.execution_options(**READ_ONLY)
        self._dialect: Any = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._grown = asyncio.Event()
        self.facts: dict[tuple[str, str], int] = {}
        self.applied = 0
        self._failure = ""

    async def open(self) -> int:
        """Reads how far the index goes, and says so."""
        with database_errors_translated():
            async with self._engine.begin() as connection:
                first = self._dialect.insert(progress).values(projection=PROJECTION, sequence=0)
                await connection.execute(first.on_conflict_do_nothing())
                held = await self._held(connection)
                self.facts = {
                    (service, fact): number for number, service, fact in await connection.execute(sa.select(facts))
                }
        self._reached(held)
        return held

    async def add(self, rows: Sequence[IndexRow]) -> None:
        """Rows behind `applied`, in order. Raises ConflictError where another process has indexed meanwhile: open again."""
        try:
            await uncancellable(self._add(rows))
        except TransientError as error:
            self._failure = str(error)
            raise
        self._failure = ""
        self._reached(rows[-1].sequence)

    def check(self) -> None:
        """For /readyz: raises TransientError while the last rows couldn't be written."""
        if self._failure:
            raise TransientError(f"events can't be indexed: {self._failure}")

    async def grown(self, beyond: int) -> None:
        """Waits until the index goes further than `beyond`."""
        while self.applied <= beyond:
            await self._grown.wait()

    def _reached(self, sequence: int) -> None:
        self.applied = sequence
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _add(self, rows: Sequence[IndexRow]) -> None:
        new = self._new_facts(rows)
        known = self.facts | new
        people = [{"address": one, "sequence": row.sequence} for row in rows for one in row.fields.recipients]
        ids = [{"id": one, "sequence": row.sequence} for row in rows for one in dict.fromkeys(row.fields.others)]
        numbered = [{"id": number, "service": said[0], "fact": said[1]} for said, number in new.items()]
        with database_errors_translated():
            async with self._engine.begin() as connection:
                await self._move(connection, rows[-1].sequence)
                for table, values in (
                    (facts, numbered),
                    (events, [_values(row, known) for row in rows]),
                    (recipients, people),
                    (others, ids),
                ):
                    if values:
                        await connection.execute(table.insert(), values)
        self.facts = known

    async def _move(self, connection: AsyncConnection, to: int) -> None:
        mine = (progress.c.projection == PROJECTION, progress.c.sequence == self.applied)
        moved = await connection.execute(progress.update().where(*mine).values(sequence=to))
        if not moved.rowcount:
            raise ConflictError("another process writes this index as well")

    async def _held(self, connection: AsyncConnection) -> int:
        query = sa.select(progress.c.sequence).where(progress.c.projection == PROJECTION)
        return int((await connection.execute(query)).scalar_one())

    def _new_facts(self, rows: Sequence[IndexRow]) -> dict[tuple[str, str], int]:
        said = dict.fromkeys((row.service, row.fact) for row in rows)
        fresh = [one for one in said if one not in self.facts]
        return dict(zip(fresh, range(len(self.facts) + 1, len(self.facts) + len(fresh) + 1), strict=True))


def _values(row: IndexRow, known: dict[tuple[str, str], int]) -> dict[str, Any]:
    about = row.fields
    return {
        "sequence": row.sequence,
        "at_ms": row.at_ms,
        "fact": known[row.service, row.fact],
        "account": about.account or None,
        "mail": about.mail or None,
        "message_id": about.message_id or None,
        "sender": about.sender or None,
        "host": about.host or None,
        "login": about.login or None,
    }


@contextmanager
def database_errors_translated() -> Iterator[None]:
    """Turns a database that is away into TransientError."""
    try:
        yield
    except AWAY as error:
        raise TransientError(f"the database is away: {type(error).__name__}") from error
