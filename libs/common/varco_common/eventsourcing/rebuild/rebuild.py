"""One rebuild.

All projections of a service into a fresh database, compared with the live one at the same sequence.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.bus import Bus
from varco_common.eventsourcing.rebuild.compare import compare, copy_beyond
from varco_common.eventsourcing.rebuild.frames import AnyRebuildFrame, RebuildDone, RebuildProgress
from varco_common.eventsourcing.rebuild.rebuildable import RebuildableTables
from varco_common.storage import database
from varco_common.storage.database import swap as database_swap

_PROGRESS_SECONDS = 0.5

FrameWriter = Callable[[AnyRebuildFrame], None]


class RebuildJob(NamedTuple):
    """What to rebuild: `package` has the migrations, `url` is the live database."""

    service: str
    package: str
    url: str
    projections: Sequence[RebuildableTables]


async def rebuild(job: RebuildJob, bus: Bus, write: FrameWriter, *, swap: bool) -> None:
    """The last frame is RebuildDone. The live tables are only read, in one snapshot."""
    async with _fresh(job) as fresh:
        await database.migrate(fresh, job.package)
        equal = await _build_all(job, bus, fresh, write)
    announcement = await _announce_swap(job) if swap else ""
    if not swap:
        await _delete_fresh(job)
    write(RebuildDone(equal=equal, swap=announcement))


async def _build_all(job: RebuildJob, bus: Bus, fresh: AsyncEngine, write: FrameWriter) -> bool:
    equal = True
    async with _snapshot(job) as live:
        applied = [await projection.applied_sequence(bus, live) for projection in job.projections]
        for projection, until in zip(job.projections, applied, strict=True):
            progress = _ProgressReporter(projection.name, until, write)
            for table in await projection.build(bus, fresh, until, progress):
                async with fresh.connect() as built:
                    result = await compare(table, live, built, until, write)
                async with fresh.begin() as built:
                    await copy_beyond(table, live, built)
                write(result)
                equal = equal and not result.differing
    return equal


class _ProgressReporter:
    """Writes progress twice a second at most."""

    def __init__(self, projection: str, until: int, write: FrameWriter) -> None:
        self._projection, self._until, self._write, self._at = projection, until, write, 0.0

    def __call__(self, sequence: int) -> None:
        if (now := monotonic()) - self._at > _PROGRESS_SECONDS or sequence >= self._until:
            self._at = now
            self._write(RebuildProgress(projection=self._projection, sequence=sequence, stand=self._until))


@asynccontextmanager
async def _snapshot(job: RebuildJob) -> AsyncIterator[AsyncConnection]:
    """A connection that reads the live tables as of one moment."""
    async with database.connect(job.url, job.service) as engine:
        same = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        async with engine.connect() as connection:
            await connection.execution_options(**database.READ_ONLY, **same)
            yield connection


@asynccontextmanager
async def _fresh(job: RebuildJob) -> AsyncIterator[AsyncEngine]:
    """An empty database. It is deleted again if the rebuild fails."""
    await _delete_fresh(job)
    url = database_swap.url_of(sa.make_url(job.url), database_swap.BUILDING)
    try:
        async with database.connect(url.render_as_string(hide_password=False), _building(job)) as engine:
            yield engine
    except BaseException:
        await _delete_fresh(job)
        raise


def _building(job: RebuildJob) -> str:
    return f"{database.schema_of(job.service)}_{database_swap.BUILDING}"


async def _delete_fresh(job: RebuildJob) -> None:
    url = sa.make_url(job.url)
    if file := database_swap.file_of(database_swap.url_of(url, database_swap.BUILDING)):
        await asyncio.to_thread(database_swap.remove, file)
        return
    async with database.connect(job.url, job.service) as engine:
        await database_swap.drop_schema(engine, _building(job))


async def _announce_swap(job: RebuildJob) -> str:
    if file := database_swap.file_of(sa.make_url(job.url)):
        return str(await asyncio.to_thread(database_swap.announce, file))
    async with database.connect(job.url, job.service) as engine:
        return await database_swap.announce_schema(engine, database.schema_of(job.service))
