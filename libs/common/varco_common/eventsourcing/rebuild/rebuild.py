"""One rebuild: every projection of a service into a fresh database, compared with the live one as of the same sequence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.bus import Bus
from varco_common.eventsourcing.rebuild.compare import compare, take_over
from varco_common.eventsourcing.rebuild.frames import AnyRebuildFrame, RebuildDone, RebuildProgress
from varco_common.eventsourcing.rebuild.projected import RebuildableTables
from varco_common.storage import database, database_swap

SAID_SECONDS = 0.5

Say = Callable[[AnyRebuildFrame], None]


class Job(NamedTuple):
    """Whose tables, where they are, and the package with their migrations."""

    service: str
    package: str
    url: str
    projections: Sequence[RebuildableTables]


async def rebuild(job: Job, bus: Bus, say: Say, *, swap: bool) -> None:
    """The last thing it says is Done. The live tables are only read, in one snapshot."""
    async with _fresh(job) as fresh:
        await database.migrate(fresh, job.package)
        equal = await _build_all(job, bus, fresh, say)
    waits = await _announce(job) if swap else ""
    if not swap:
        await _forget(job)
    say(RebuildDone(equal=equal, swap=waits))


async def _build_all(job: Job, bus: Bus, fresh: AsyncEngine, say: Say) -> bool:
    equal = True
    async with _snapshot(job) as live:
        stands = [await one.stands(bus, live) for one in job.projections]
        for one, stand in zip(job.projections, stands, strict=True):
            told = _Told(one.name, stand, say)
            for table in await one.build(bus, fresh, stand, told):
                async with fresh.connect() as built:
                    found = await compare(table, live, built, stand, say)
                async with fresh.begin() as built:
                    await take_over(table, live, built)
                say(found)
                equal = equal and not found.differing
    return equal


class _Told:
    """Says how far it is, not too often."""

    def __init__(self, projection: str, stand: int, say: Say) -> None:
        self._projection, self._stand, self._say, self._at = projection, stand, say, 0.0

    def __call__(self, sequence: int) -> None:
        if (now := monotonic()) - self._at > SAID_SECONDS or sequence >= self._stand:
            self._at = now
            self._say(RebuildProgress(projection=self._projection, sequence=sequence, stand=self._stand))


@asynccontextmanager
async def _snapshot(job: Job) -> AsyncIterator[AsyncConnection]:
    """All that is read of the live tables is as of one moment."""
    async with database.connect(job.url, job.service) as engine:
        same = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        async with engine.connect() as connection:
            await connection.execution_options(**database.READ_ONLY, **same)
            yield connection


@asynccontextmanager
async def _fresh(job: Job) -> AsyncIterator[AsyncEngine]:
    """An empty database; what an earlier rebuild left is gone. It is gone again where this one fails."""
    await _forget(job)
    url = database_swap.url_of(sa.make_url(job.url), database_swap.BUILDING)
    try:
        async with database.connect(url.render_as_string(hide_password=False), _building(job)) as engine:
            yield engine
    except BaseException:
        await _forget(job)
        raise


def _building(job: Job) -> str:
    return f"{database.schema_of(job.service)}_{database_swap.BUILDING}"


async def _forget(job: Job) -> None:
    url = sa.make_url(job.url)
    if file := database_swap.file_of(database_swap.url_of(url, database_swap.BUILDING)):
        await asyncio.to_thread(database_swap.remove, file)
        return
    async with database.connect(job.url, job.service) as engine:
        await database_swap.drop_schema(engine, _building(job))


async def _announce(job: Job) -> str:
    if file := database_swap.file_of(sa.make_url(job.url)):
        return str(await asyncio.to_thread(database_swap.announce, file))
    async with database.connect(job.url, job.service) as engine:
        return await database_swap.announce_schema(engine, database.schema_of(job.service))
