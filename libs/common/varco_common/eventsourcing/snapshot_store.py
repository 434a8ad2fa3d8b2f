"""A projection in the database.

One document for each key, and the sequence up to which all of them are applied.
"""

import asyncio
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.base import log
from varco_common.storage.database import READ_ONLY, progress, states, swap

S = TypeVar("S")

_log = log.get(__name__)

_FIRST = sa.text("INSERT INTO progress (projection, sequence) VALUES (:projection, 0) ON CONFLICT DO NOTHING")
_PUT = sa.text(
    "INSERT INTO states (projection, key, document) VALUES (:projection, :key, :document)"
    " ON CONFLICT (projection, key) DO UPDATE SET document = excluded.document"
)
_DROP = sa.text("DELETE FROM states WHERE projection = :projection AND key = :key")
_ADVANCE = sa.text("UPDATE progress SET sequence = :sequence WHERE projection = :projection")


class SnapshotsLost(Exception):  # an answer to its one caller, who then saves everything
    """The database is behind what was saved into it: it was emptied or restored."""


class SnapshotStore(Generic[S]):
    """The documents of one projection. Raises DATABASE_ERRORS while the database is away."""

    def __init__(self, engine: AsyncEngine, projection: str, state: type[S]) -> None:
        self._engine, self._projection = engine, projection
        self._decoder = msgspec.json.Decoder(state)

    async def load(self) -> tuple[dict[str, S], int]:
        """All states and their sequence.

        ({}, 0) where the documents have a shape that can't be decoded.
        """
        async with self._engine.begin() as connection:
            sequence = await self._locked_sequence(connection)
            query = sa.select(states.c.key, states.c.document).where(states.c.projection == self._projection)
            rows = (await connection.execute(query)).all()
            try:
                return {key: self._decoder.decode(document) for key, document in rows}, sequence
            except msgspec.DecodeError as error:
                _log.warning("states of another shape: rebuilding", projection=self._projection, error=str(error))
                await self._clear(connection)
                return {}, 0

    async def save(self, documents: Mapping[str, bytes | None], *, after: int, sequence: int) -> None:
        """Stores the documents that changed in (after, sequence]; None deletes a key.

        With `after` 0 these are all documents that there are. Does nothing where another process
        has saved as much already. Raises SnapshotsLost.
        """
        async with self._engine.begin() as connection:
            stored = await self._locked_sequence(connection)
            if stored >= sequence:
                return
            if stored < after:
                raise SnapshotsLost
            if not after:
                await self._clear(connection)
            await self._write(connection, documents)
            await connection.execute(_ADVANCE, {"projection": self._projection, "sequence": sequence})

    async def clear(self) -> None:
        """Deletes all states, so that they are made again from the events."""
        async with self._engine.begin() as connection:
            await self._locked_sequence(connection)
            await self._clear(connection)

    async def probe(self) -> None:
        """Returns when the database answers.

        A deleted SQLite file would still answer, so its path is checked too.
        """
        if file := swap.file_of(self._engine.url):
            await asyncio.to_thread(file.stat)
        async with self._engine.connect() as connection:
            await connection.execution_options(**READ_ONLY)
            await connection.execute(sa.select(progress.c.sequence).where(progress.c.projection == self._projection))

    async def _locked_sequence(self, connection: AsyncConnection) -> int:
        """Locks the row until the transaction ends: processes that share the tables take turns."""
        await connection.execute(_FIRST, {"projection": self._projection})
        query = sa.select(progress.c.sequence).where(progress.c.projection == self._projection).with_for_update()
        return int((await connection.execute(query)).scalar_one())

    async def _write(self, connection: AsyncConnection, documents: Mapping[str, bytes | None]) -> None:
        name = self._projection
        puts = [{"projection": name, "key": key, "document": doc} for key, doc in documents.items() if doc is not None]
        drops = [{"projection": name, "key": key} for key, doc in documents.items() if doc is None]
        if puts:
            await connection.execute(_PUT, puts)
        if drops:
            await connection.execute(_DROP, drops)

    async def _clear(self, connection: AsyncConnection) -> None:
        await connection.execute(sa.delete(states).where(states.c.projection == self._projection))
        await connection.execute(_ADVANCE, {"projection": self._projection, "sequence": 0})
