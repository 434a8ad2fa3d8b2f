"""Puts rebuilt tables in the place of the live ones: a SQLite file, or a schema of PostgreSQL.

They are built as `.rebuilding`, beside the live ones, and renamed to `.rebuilt` when they are
ready. At its next start the service swaps them in before it opens the database. The tables that
were live remain as `.before-<time>`.
"""

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.base import log

BUILDING, BUILT, BEFORE = "rebuilding", "rebuilt", "before"
_SUFFIXES = ("", "-wal", "-shm", ".lock")
_log = log.get(__name__)


def file_of(url: sa.URL) -> Path | None:
    """The file of a SQLite database; None for other databases."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def url_of(url: sa.URL, word: str) -> sa.URL:
    """`data/policy.rebuilding.sqlite` for `data/policy.sqlite`. The same URL for PostgreSQL."""
    file = file_of(url)
    return url.set(database=str(_named(file, word))) if file else url


def _named(file: Path, word: str) -> Path:
    return file.with_name(f"{file.stem}.{word}{file.suffix}")


def now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


# SQLite


def remove(file: Path) -> None:
    """Deletes a database that was built and is not used."""
    for suffix in _SUFFIXES:
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def announce(file: Path) -> Path:
    """Renames the new database, so that the next start swaps it in. All must have closed it."""
    building, built = _named(file, BUILDING), _named(file, BUILT)
    _closed(building)
    building.replace(built)
    remove(building)
    return built


def swap_in(file: Path) -> None:
    """For the start of a service: puts the rebuilt database in place, if there is one.

    That is put off while another process has the live one open.
    """
    built = _named(file, BUILT)
    if not built.exists():
        return
    kept = _named(file, f"{BEFORE}-{now()}")
    if file.exists():
        if not _closed(file):
            _log.warning("another process has the database open: the rebuilt one is swapped in at a later start")
            return
        file.rename(kept)
    # If the process is killed here, the next start finds no database and goes on below.
    built.rename(file)
    _log.info("the rebuilt database is in use from now on", file=str(file), before=str(kept))


def _closed(file: Path) -> bool:
    """Moves the write-ahead log into the file. False while another process has it open.

    A damaged file counts as closed.
    """
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return not file.with_name(f"{file.name}-wal").exists()


# PostgreSQL


async def drop_schema(engine: AsyncEngine, schema: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))


async def announce_schema(engine: AsyncEngine, schema: str) -> str:
    """As `announce`."""
    built = f"{schema}_{BUILT}"
    async with engine.begin() as connection:
        await connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {built} CASCADE"))
        await connection.execute(sa.text(f"ALTER SCHEMA {schema}_{BUILDING} RENAME TO {built}"))
    return built


async def swap_schema_in(connection: AsyncConnection, schema: str) -> None:
    """As `swap_in`, in the caller's transaction.

    Other processes of the service use the new tables from their next transaction on.
    """
    exists = sa.text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name")
    if not await connection.scalar(exists, {"name": f"{schema}_{BUILT}"}):
        return
    kept = f"{schema}_{BEFORE}_{now().lower()}"
    if await connection.scalar(exists, {"name": schema}):
        await connection.execute(sa.text(f"ALTER SCHEMA {schema} RENAME TO {kept}"))
    await connection.execute(sa.text(f"ALTER SCHEMA {schema}_{BUILT} RENAME TO {schema}"))
    _log.info("the rebuilt schema is in use from now on", schema=schema, before=kept)
