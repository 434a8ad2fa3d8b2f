"""One rebuild: every projection of a service into a fresh database, compared with the live one as of the same sequence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common import db
from varco_common.bus import Bus
from varco_common.rebuild import place
from varco_common.rebuild.compare import compare, take_over
from varco_common.rebuild.frames import AnyFrame, Done, Progress
from varco_common.rebuild.projected import Projected

SAID_SECONDS = 0.5

Say = Callable[[AnyFrame], None]


class Job(NamedTuple):
    """Whose tables, where they are, and the package with their migrations."""

    service: str
    package: str
    url: str
    projections: Sequence[Projected]


async def rebuild(job: Job, bus: Bus, say: Say, *, swap: bool) -> None:
    """The last thing it says is Done. The live tables are only read, in one snapshot."""
    async with _fresh(job) as fresh:
        await db.migrate(fresh, job.package)
        equal = await _build_all(job, bus, fresh, say)
    waits = await _announce(job) if swap else ""
    if not swap:
        await _forget(job)
    say(Done(equal=equal, swap=waits))


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
            self._say(Progress(projection=self._projection, sequence=sequence, stand=self._stand))


@asynccontextmanager
async def _snapshot(job: Job) -> AsyncIterator[AsyncConnection]:
    """All that is read of the live tables is as of one moment."""
    async with db.connect(job.url, job.service) as engine:
        same = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        async with engine.connect() as connection:
            await connection.execution_options(**db.READ_ONLY, **same)
            yield connection


@asynccontextmanager
async def _fresh(job: Job) -> AsyncIterator[AsyncEngine]:
    """An empty database; what an earlier rebuild left is gone. It is gone again where this one fails."""
    await _forget(job)
    url = place.beside(sa.make_url(job.url), place.BUILDING)
    try:
        async with db.connect(url.render_as_string(hide_password=False), _building(job)) as engine:
            yield engine
    except BaseException:
        await _forget(job)
        raise


def _building(job: Job) -> str:
    return f"{db.schema_of(job.service)}_{place.BUILDING}"


async def _forget(job: Job) -> None:
    url = sa.make_url(job.url)
    if file := place.file_of(place.beside(url, place.BUILDING)):
        await asyncio.to_thread(place.remove, file)
        return
    async with db.connect(job.url, job.service) as engine:
        await place.drop_schema(engine, _building(job))


async def _announce(job: Job) -> str:
    if file := place.file_of(sa.make_url(job.url)):
        return str(await asyncio.to_thread(place.announce, file))
    async with db.connect(job.url, job.service) as engine:
        return await place.announce_schema(engine, db.schema_of(job.service))
