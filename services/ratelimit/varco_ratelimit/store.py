"""The memory of recipients in the service's database, and the sequence of MAIL up to which it stands there."""

import asyncio
from time import time

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common import log
from varco_common.db import AWAY, READ_ONLY, progress
from varco_common.tasks import whole
from varco_ratelimit.counter import Counter
from varco_ratelimit.memory import DAYS, Memory, day_of, met

SAVE_SECONDS = 1.0
_PROGRESS = "met"
_ROWS = 10_000
_PUT = sa.text(
    "INSERT INTO met (pair, day) VALUES (:pair, :day)"
    " ON CONFLICT (pair) DO UPDATE SET day = CASE WHEN excluded.day > met.day THEN excluded.day ELSE met.day END"
)
_ADVANCE = sa.text(
    "INSERT INTO progress (projection, sequence) VALUES (:projection, :sequence)"
    " ON CONFLICT (projection) DO UPDATE SET sequence = CASE WHEN excluded.sequence > progress.sequence"
    " THEN excluded.sequence ELSE progress.sequence END"
)
_log = log.get(__name__)


async def load(engine: AsyncEngine, memory: Memory) -> int:
    """Fills the memory; the sequence that it stands at, 0 where nothing was ever saved. Raises what `db.AWAY` lists."""
    oldest = day_of(int(time() * 1000)) - DAYS
    async with engine.begin() as connection:
        await connection.execute(sa.delete(met).where(met.c.day < oldest))
    async with engine.connect() as connection:
        await connection.execution_options(**READ_ONLY)
        query = sa.select(progress.c.sequence).where(progress.c.projection == _PROGRESS)
        sequence = await connection.scalar(query) or 0
        async with connection.stream(sa.select(met.c.pair, met.c.day)) as rows:
            async for part in rows.partitions(_ROWS):
                for pair, day in part:
                    memory.put(pair, day)
    return int(sequence)


async def keep(engine: AsyncEngine, memory: Memory, counter: Counter) -> None:
    """Saves what is new every second, until cancelled, and once more then."""
    saved = counter.sequence
    try:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if counter.sequence != saved:
                saved = await _save(engine, memory, counter.sequence) or saved
    finally:
        if counter.sequence != saved:
            await whole(_save(engine, memory, counter.sequence))


async def _save(engine: AsyncEngine, memory: Memory, sequence: int) -> int:
    """`sequence`, or 0 where the database is away: then it is tried again, and voting goes on meanwhile."""
    pairs = memory.take()
    try:
        async with engine.begin() as connection:
            rows = [{"pair": pair, "day": day} for pair, day in pairs.items()]
            for start in range(0, len(rows), _ROWS):
                await connection.execute(_PUT, rows[start : start + _ROWS])
            await connection.execute(_ADVANCE, {"projection": _PROGRESS, "sequence": sequence})
    except AWAY as error:
        memory.give_back(pairs)
        _log.warning("recipients not saved; memory goes on", error=str(error))
        return 0
    return sequence
