"""Migrations and engines, on both databases."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import sqlalchemy as sa

from varco_common import db
from varco_common.settings import BrokenSetting


async def tables_of(engine):
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda c: sa.inspect(c).get_table_names()))


async def test_two_processes_that_start_at_once_migrate_once(database_url, example):
    async with db.connect(database_url, "shell-example") as one, db.connect(database_url, "shell-example") as two:
        await asyncio.gather(db.migrate(one, example), db.migrate(two, example), db.migrate(one, example))
        assert await tables_of(two) == {"states", "progress", "notes", "shell_example_version"}


async def test_two_services_of_one_process_migrate_side_by_side(postgres_url, tmp_path, example):
    urls = (
        postgres_url,
        postgres_url,
        f"sqlite+aiosqlite:///{tmp_path}/a.sqlite",
        f"sqlite+aiosqlite:///{tmp_path}/b.sqlite",
    )
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(db.connect(url, f"service{number}")) for number, url in enumerate(urls)
        ]
        await asyncio.gather(*(db.migrate(engine, example) for engine in engines))
        assert [await tables_of(engine) for engine in engines] == [
            {"states", "progress", "notes", "shell_example_version"}
        ] * 4


async def test_a_migrated_database_is_left_as_it_is(engine, example):
    async with engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (1, 'kept')"))
    await db.migrate(engine, example)
    async with engine.connect() as connection:
        assert await connection.scalar(sa.text("SELECT text FROM notes")) == "kept"


async def test_each_service_has_a_schema_of_its_own_on_postgresql(postgres_url, example):
    async with db.connect(postgres_url, "shell-example") as one, db.connect(postgres_url, "other") as two:
        await db.migrate(one, example)
        await db.migrate(two, example)
        async with one.begin() as connection:
            await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (1, 'mine')"))
        async with two.connect() as connection:
            assert await connection.scalar(sa.text("SELECT count(*) FROM notes")) == 0
            assert await connection.scalar(sa.text("SELECT count(*) FROM shell_example.notes")) == 1


async def test_a_migration_that_fails_leaves_nothing_behind(database_url, example, tmp_path, monkeypatch):
    broken = tmp_path / "broken_example" / "migrations"
    broken.mkdir(parents=True)
    (broken.parent / "__init__.py").touch()
    (broken / "0001.py").write_text(
        "from alembic import op\nrevision, down_revision = '0001', None\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (id INTEGER)')\n    op.execute('CREATE nonsense')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    async with db.connect(database_url, "broken-example") as engine:
        with pytest.raises(sa.exc.DBAPIError):
            await asyncio.wait_for(db.migrate(engine, "broken_example"), 5)
        assert "half" not in await tables_of(engine)


async def test_migrating_waits_for_a_database_that_is_away(postgres, postgres_url, example):
    async with db.connect(postgres_url, "shell-example") as engine:
        await postgres.kill()
        waiting = asyncio.create_task(db.migrate(engine, example))
        try:
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
        finally:
            await postgres.start()
        await asyncio.wait_for(waiting, 20)
        assert "states" in await tables_of(engine)


async def test_sqlite_waits_for_a_writer_instead_of_failing(sqlite_url, example):
    async with db.connect(sqlite_url, "x") as one, db.connect(sqlite_url, "x") as two:
        await db.migrate(one, example)
        async with one.begin() as connection:
            await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (1, 'a')"))
            writing = asyncio.create_task(insert(two))
            await asyncio.wait([writing], timeout=0.1)
        await writing
        async with one.connect() as connection:
            assert await connection.scalar(sa.text("SELECT count(*) FROM notes")) == 2
            assert await connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
            assert await connection.scalar(sa.text("PRAGMA foreign_keys")) == 1


async def insert(engine):
    async with engine.begin() as connection:
        await connection.scalar(sa.text("SELECT count(*) FROM notes"))
        await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (2, 'b')"))


async def test_a_damaged_file_is_named_and_what_to_do_with_it(tmp_path, example):
    file = tmp_path / "policy.sqlite"
    file.write_bytes(b"no database at all" * 1000)
    async with db.connect(f"sqlite+aiosqlite:///{file}", "shell-example") as engine:
        with pytest.raises(BrokenSetting, match=r"policy\.sqlite: expected .*delete the file"):
            await db.migrate(engine, example)
