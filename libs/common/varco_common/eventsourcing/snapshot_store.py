"""The database side of a projection: one document for each key, and the sequence that all of them together stand at."""

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
    """The database stands before what was saved into it: somebody emptied or restored it."""


class SnapshotStore(Generic[S]):
    """All the documents of one projection. Raises what `db.DATABASE_ERRORS` lists when the database can't be reached."""

    def __init__(self, engine: AsyncEngine, projection: str, state: type[S]) -> None:
        self._engine, self._projection = engine, projection
        self._decoder = msgspec.json.Decoder(state)

    async def load(self) -> tuple[dict[str, S], int]:
        """All states, and the sequence that they stand at; nothing and 0 where they are of a shape that can't be read."""
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
        """Makes the states that changed in (after, sequence] stand at `sequence`; None drops a key.

        Does nothing where another process has come as far already. `after` 0 means that these are all there are.
        Raises DocumentsLost.
        """
        async with self._engine.begin() as connection:
            there = await self._locked_sequence(connection)
            if there >= sequence:
                return
            if there < after:
                raise SnapshotsLost
            if not after:
                await self._clear(connection)
            await self._write(connection, documents)
            await connection.execute(_ADVANCE, {"projection": self._projection, "sequence": sequence})

    async def clear(self) -> None:
        """Forgets all states, so that they are made anew from the events."""
        async with self._engine.begin() as connection:
            await self._locked_sequence(connection)
            await self._clear(connection)

    async def probe(self) -> None:
        """Returns when the database answers. A file that was deleted would answer those who have it open, and be lost."""
        if file := swap.file_of(self._engine.url):
            await asyncio.to_thread(file.stat)
        async with self._engine.connect() as connection:
            await connection.execution_options(**READ_ONLY)
            await connection.execute(sa.select(progress.c.sequence).where(progress.c.projection == self._projection))

    async def _locked_sequence(self, connection: AsyncConnection) -> int:
        """The row stays locked until the transaction ends: processes that share the tables take turns."""
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
