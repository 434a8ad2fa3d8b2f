"""A service's own database: SQLite by default, or a schema of its own on PostgreSQL; its migrations lie in its package."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import IO, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from varco_common.base import log
from varco_common.base.settings import BrokenSetting
from varco_common.storage import database_swap

AWAY = (SQLAlchemyError, OSError, TimeoutError)  # what a database that can't be reached raises
READ_ONLY = {"read_only": True}  # execution options of a connection that waits for no writer

metadata = sa.MetaData()
states = sa.Table(
    "states",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
)
progress = sa.Table(
    "progress",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)

_BUSY_SECONDS = 5
_COMMAND_SECONDS = 60
_RETRY_SECONDS = 1.0
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
_log = log.get(__name__)


@asynccontextmanager
async def connect(url: str, service: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the service's database. On PostgreSQL all names are looked up in the schema called like the service."""
    parsed = sa.make_url(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed, schema_of(service))
    try:
        yield engine
    finally:
        await engine.dispose()


def schema_of(service: str) -> str:
    """`ingress-smtp` keeps its tables in schema `ingress_smtp`."""
    return service.replace("-", "_")


def create_projection_tables(connection: sa.Connection) -> None:
    """The tables that `projection` keeps its states in; each service's first migration calls this."""
    metadata.create_all(connection, tables=[states, progress])


async def migrate(engine: AsyncEngine, package: str) -> None:
    """Brings the database to the newest of `<package>/migrations`; waits while it can't be reached.

    One that a newer version has migrated already is left as it is: migrations only add, so the version before still runs.

    Raises BrokenSetting where the file is damaged.

    Tables that were rebuilt and wait to be swapped in (docs/rebuild.md) are swapped in first.
    Safe when several processes start at once: they take turns by an advisory lock (PostgreSQL) or a lock file (SQLite).
    """
    while True:
        try:
            async with _alembic_turn():
                return await _migrate(engine, package)
        except AWAY as error:
            if "file is not a database" in str(error) or "disk image is malformed" in str(error):
                what = "a SQLite database (it is damaged: delete the file, and it is made anew from the events)"
                raise BrokenSetting("VARCO_DATABASE_URL", engine.url.render_as_string(), what) from error
            if not _unreachable(error):
                raise
            _log.warning("waiting for the database", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)


def _alembic_turn() -> asyncio.Lock:
    """One migration at a time in a process, which may run several services: alembic's `op` and `context` are global."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _migrate(engine: AsyncEngine, package: str) -> None:
    if engine.dialect.name == "postgresql":
        return await _migrate_postgresql(engine, package)
    lock = await asyncio.to_thread(_lock, engine.url)
    try:
        if file := database_swap.file_of(engine.url):
            await asyncio.to_thread(database_swap.swap_in, file)
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, package)
    finally:
        lock.close()


async def _migrate_postgresql(engine: AsyncEngine, package: str) -> None:
    schema = engine.sync_engine.get_execution_options()["schema"]
    unhurried = _postgresql(engine.url, schema, command_seconds=None)  # an index over much can take long
    try:
        async with unhurried.begin() as connection:
            await _take_turn(connection, package, schema)
            await connection.run_sync(_upgrade, package)
    finally:
        await unhurried.dispose()


async def _take_turn(connection: AsyncConnection, package: str, schema: str) -> None:
    """Held until the transaction ends, so two processes never create the schema or migrate it side by side."""
    await connection.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtext(:package))"), {"package": f"varco {package}"}
    )
    await database_swap.swap_schema_in(connection, schema)
    known = await connection.scalar(sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema})
    if not known:  # IF NOT EXISTS asks for the right to make one even where there is one
        await connection.execute(sa.text(f"CREATE SCHEMA {schema}"))


def _upgrade(connection: sa.Connection, package: str) -> None:
    config = Config()
    config.set_main_option("script_location", "varco_common.storage:migrations")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{package}:migrations")
    config.attributes.update(connection=connection, version_table=f"{package}_version")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    stands = MigrationContext.configure(connection, opts={"version_table": f"{package}_version"}).get_current_heads()
    if newer := {*stands} - known:
        _log.warning("the database is of a newer version, which only adds to it", revision=",".join(newer))
        return
    command.upgrade(config, "head")


def _lock(url: sa.URL) -> IO[str]:
    """An exclusive lock beside a SQLite file, held until it is closed; nothing is locked for other databases."""
    file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    if not file or url.database == ":memory:":
        return StringIO()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = file.with_name(f"{file.name}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _unreachable(error: Exception) -> bool:
    """No connection, or a server that is starting or ending (SQLSTATE 08... and 57P..); anything else won't mend itself."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or ""
    return isinstance(error, OSError) or state.startswith(("08", "57P"))


def _postgresql(url: sa.URL, schema: str, command_seconds: float | None = _COMMAND_SECONDS) -> AsyncEngine:
    settings = {"search_path": schema, "application_name": f"varco {schema}"}
    limits = {"timeout": _BUSY_SECONDS, "command_timeout": command_seconds}
    return create_async_engine(
        url,
        pool_pre_ping=True,
        connect_args={"server_settings": settings, **limits},
        execution_options={"schema": schema},
    )


def _sqlite(url: sa.URL) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine.sync_engine, "connect", _on_sqlite_connect)
    event.listen(engine.sync_engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are ours to begin: the driver's own leave DDL outside
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_sqlite_begin(connection: sa.Connection) -> None:
    """A transaction that reads first and writes later would fail at once when another writes: so it locks from its start."""
    reads = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
