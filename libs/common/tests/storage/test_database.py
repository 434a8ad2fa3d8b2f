"""Migrations and engines, on both databases."""

import asyncio
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from varco_common.base.settings import BrokenSetting
from varco_common.storage import database


async def tables_of(engine):
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda c: sa.inspect(c).get_table_names()))


async def test_two_processes_that_start_at_once_migrate_once(database_url, example):
    async with (
        database.connect(database_url, "shell-example") as one,
        database.connect(database_url, "shell-example") as two,
    ):
        await asyncio.gather(
            database.migrate(one, example), database.migrate(two, example), database.migrate(one, example)
        )
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
            await stack.enter_async_context(database.connect(url, f"service{number}"))
            for number, url in enumerate(urls)
        ]
        await asyncio.gather(*(database.migrate(engine, example) for engine in engines))
        assert [await tables_of(engine) for engine in engines] == [
            {"states", "progress", "notes", "shell_example_version"}
        ] * 4


async def test_a_migrated_database_is_left_as_it_is(engine, example):
    async with engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (1, 'kept')"))
    await database.migrate(engine, example)
    async with engine.connect() as connection:
        assert await connection.scalar(sa.text("SELECT text FROM notes")) == "kept"


async def test_each_service_has_a_schema_of_its_own_on_postgresql(postgres_url, example):
    async with database.connect(postgres_url, "shell-example") as one, database.connect(postgres_url, "other") as two:
        await database.migrate(one, example)
        await database.migrate(two, example)
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
        'from alembic import op\nrevision = "0001"\ndown_revision = None\n'
        "def upgrade():\n    op.execute('CREATE TABLE half (id INTEGER)')\n    op.execute('CREATE nonsense')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    async with database.connect(database_url, "broken-example") as engine:
        with pytest.raises(sa.exc.DBAPIError):
            await asyncio.wait_for(database.migrate(engine, "broken_example"), 60)
        assert "half" not in await tables_of(engine)


async def test_migrating_waits_for_a_database_that_is_away(postgres, postgres_url, example):
    async with database.connect(postgres_url, "shell-example") as engine:
        await postgres.kill()
        waiting = asyncio.create_task(database.migrate(engine, example))
        try:
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
        finally:
            await postgres.start()
        await asyncio.wait_for(waiting, 60)
        assert "states" in await tables_of(engine)


async def test_sqlite_waits_for_a_writer_instead_of_failing(sqlite_url, example):
    async with database.connect(sqlite_url, "x") as one, database.connect(sqlite_url, "x") as two:
        await database.migrate(one, example)
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
    async with database.connect(f"sqlite+aiosqlite:///{file}", "shell-example") as engine:
        with pytest.raises(BrokenSetting, match=r"policy\.sqlite: expected .*delete the file"):
            await database.migrate(engine, example)


async def test_an_older_version_starts_on_a_database_that_a_newer_one_has_migrated(engine, example):
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE shell_example_version SET version_num = '0003'"))
        await connection.execute(sa.text("ALTER TABLE notes ADD COLUMN added TEXT"))
    await database.migrate(engine, example)
    async with engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (1, 'kept')"))
        assert await connection.scalar(sa.text("SELECT version_num FROM shell_example_version")) == "0003"


PROCESS = """
import asyncio, sys
from varco_common.storage import database as db
async def main():
    async with db.connect(sys.argv[1], "shell-example") as engine:
        sys.stdin.readline()
        await db.migrate(engine, "shell_example")
sys.path.insert(0, sys.argv[2])
print("ready", flush=True)
asyncio.run(main())
"""


async def test_four_real_processes_migrate_once(database_url, example):
    """All begin at once: without taking turns three of them would fail, since the tables exist."""
    command = [sys.executable, "-c", PROCESS, database_url, str(Path(__file__).parents[1] / "example")]
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(4)]
    for process in processes:
        assert await process.stdout.readline() == b"ready\n"
    await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4
    async with database.connect(database_url, "shell-example") as engine:
        assert await tables_of(engine) == {"states", "progress", "notes", "shell_example_version"}


def test_migrations_only_add():
    """The version before must run on the new schema while services are replaced one by one."""
    migrations = sorted(Path(__file__).parents[4].glob("services/*/varco_*/migrations/[0-9]*.py"))
    assert migrations
    takes_away = re.compile(r"drop_|rename|alter_column|\b(DROP|RENAME|ALTER COLUMN)\b")
    assert [str(file) for file in migrations if takes_away.search(file.read_text())] == []


async def test_a_role_that_the_server_refuses_ends_the_start_in_one_line(postgres_url, example):
    async with database.connect(re.sub(r"/\w+$", "/nowhere", postgres_url), "shell-example") as engine:
        with pytest.raises(BrokenSetting, match=r"VARCO_DATABASE_URL=.*database \"nowhere\" does not exist$"):
            await database.migrate(engine, example)


async def test_errors_of_the_database_are_one_line_in_words(engine):
    async with engine.connect() as connection:
        with pytest.raises(database.DATABASE_ERRORS) as raised:
            await connection.execute(sa.text("SELECT * FROM nothing"))
    text = database.in_words(raised.value)
    assert "nothing" in text
    assert not re.search(r"sqlalche|class|\n|Errno", text)
    assert database.in_words(ConnectionRefusedError(111, "Connect call failed")) == "Connect call failed"
