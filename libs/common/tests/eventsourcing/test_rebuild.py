"""Rebuilds on SQLite and PostgreSQL.

Compared as of one sequence, swapped in at the next start, the old tables kept.
"""

from pathlib import Path

import pytest
import sqlalchemy as sa

from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.eventsourcing.rebuild.frames import RebuildDone, RebuiltTable, RowDifference
from varco_common.eventsourcing.rebuild.rebuild import RebuildJob, rebuild
from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_common.storage import database
from varco_common.storage.database import swap

from .senders_projection import ALL, Senders, apply, authorised, opened

FOLD = ProjectionSpec("accounts", (ALL,), apply, Senders)
TAMPER = sa.text("UPDATE states SET document = :document WHERE key = 'acme'")


@pytest.fixture
def job(database_url, example):
    return RebuildJob("shell-example", example, database_url, (FoldedProjection(FOLD),))


async def live(job, bus, *events):
    """The service was here: it saw the events, and ended."""
    async with database.connect(job.url, job.service) as engine:
        await database.migrate(engine, job.package)
        async with Projection(FOLD, bus, engine, "policy").following() as projection:
            for event in events:
                await projection.reached(await bus.events.append(event))
            return projection.sequence


async def frames(job, bus, *, swap=False):
    said = []
    await rebuild(job, bus, said.append, swap=swap)
    return [one for one in said if isinstance(one, RowDifference | RebuiltTable | RebuildDone)]


async def execute(job, statement, **values):
    async with database.connect(job.url, job.service) as engine, engine.begin() as connection:
        return await connection.execute(statement, values)


async def test_what_was_made_anew_is_equal_though_events_came_meanwhile(job, bus):
    stand = await live(job, bus, opened(), authorised("a@x"), opened("beta"))
    await bus.events.append(authorised("b@x"))  # the live tables don't have it, so the new ones are made without it
    table, done = await frames(job, bus)
    assert (table.stand, table.rows, table.differing) == (stand, 2, 0)
    assert done == RebuildDone(equal=True)
    assert await frames(job, bus) == [table, done], "nothing is left of the first one that is in the way"


async def test_rows_that_differ_lack_or_are_too_many_are_named(job, bus):
    await live(job, bus, opened(), authorised("a@x"), opened("beta"))
    await execute(job, TAMPER, document=b'{"patterns": ["evil@x"], "seen": 1}')
    await execute(job, sa.text("DELETE FROM states WHERE key = 'beta'"))
    await execute(
        job, sa.text("INSERT INTO states (projection, key, document) VALUES ('accounts', 'gamma', :d)"), d=b"{}"
    )
    *differences, table, done = await frames(job, bus)
    assert [(one.key, one.place, one.live, one.rebuilt) for one in differences] == [
        ("acme", "patterns", ["evil@x"], ["a@x"]),
        ("beta", "row", None, "is there"),
        ("gamma", "row", "is there", None),
    ]
    assert (table.rows, table.differing, done.equal) == (3, 3, False)


async def test_how_a_document_is_spelt_is_no_difference(job, bus):
    await live(job, bus, opened(), authorised("a@x"))
    await execute(job, TAMPER, document=b'{ "seen" : 1, "patterns" : ["a@x"] }')
    table, done = await frames(job, bus)
    assert (table.differing, done.equal) == (0, True)


async def test_swapped_in_at_the_next_start_and_the_old_tables_kept(job, bus):
    await live(job, bus, opened(), authorised("a@x"))
    await execute(job, TAMPER, document=b'{"patterns": ["evil@x"], "seen": 1}')
    *_, done = await frames(job, bus, swap=True)
    assert "rebuilt" in done.swap
    assert not (await frames(job, bus))[-1].equal, "not before the next start"
    await live(job, bus, authorised("b@x"))
    table, done = await frames(job, bus)
    assert (table.rows, done.equal) == (1, True)
    assert await kept(job) == 1


async def kept(job) -> int:
    file = swap.file_of(sa.make_url(job.url))
    if file:
        return len(list(file.parent.glob(f"{file.stem}.before-*.sqlite")))
    schemas = sa.text("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '%_before_%'")
    return len((await execute(job, schemas)).all())


async def test_a_rebuild_that_fails_leaves_nothing_behind(job, bus):
    await live(job, bus, opened())

    class Broken(FoldedProjection):
        async def build(self, *_):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await frames(job._replace(projections=(Broken(FOLD),)), bus)
    assert (await frames(job, bus))[-1].equal


async def test_a_file_that_another_process_has_open_is_swapped_later(tmp_path: Path, example, bus):
    url = f"sqlite+aiosqlite:///{tmp_path}/live.sqlite"
    job = RebuildJob("shell-example", example, url, (FoldedProjection(FOLD),))
    await live(job, bus, opened())
    await frames(job, bus, swap=True)
    async with database.connect(url, "other") as other:
        async with other.begin() as connection:
            await connection.execute(sa.text("UPDATE progress SET sequence = sequence"))
        await live(job, bus)
        assert (tmp_path / "live.rebuilt.sqlite").exists()
    await live(job, bus)
    assert not (tmp_path / "live.rebuilt.sqlite").exists()
    assert await kept(job) == 1


async def test_a_swap_that_was_cut_off_goes_on_at_the_next_start(tmp_path: Path, example, bus):
    job = RebuildJob("shell-example", example, f"sqlite+aiosqlite:///{tmp_path}/live.sqlite", (FoldedProjection(FOLD),))
    await live(job, bus, opened())
    await frames(job, bus, swap=True)
    (tmp_path / "live.sqlite").rename(tmp_path / "live.before-then.sqlite")
    await live(job, bus)
    assert (await frames(job, bus))[-1].equal
