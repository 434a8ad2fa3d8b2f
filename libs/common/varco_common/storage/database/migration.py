"""Brings a service's tables to the newest version, with alembic."""

import asyncio
import fcntl
import re
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import retry_until_available
from varco_common.storage.database import swap
from varco_common.storage.database.engine import DATABASE_ERRORS, check_login, in_words, postgresql, sqlstate

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION = re.compile(r'^(revision|down_revision) = (?:None|"(\w+)")$', re.MULTILINE)
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
_log = log.get(__name__)


async def migrate(engine: AsyncEngine, package: str) -> None:
    """Applies the migrations of `<package>/migrations`. Waits while the database can't be reached.

    First it swaps in tables that were rebuilt (docs/rebuild.md). A database that a newer version
    has migrated is left as it is: migrations only add, so an older version still runs. Several
    processes may start at once: they take turns by an advisory lock (PostgreSQL) or a lock file
    (SQLite). Raises BrokenSetting if the SQLite file is damaged.
    """
    await retry_until_available(lambda: _attempt(engine, package), "waiting for the database")


async def _attempt(engine: AsyncEngine, package: str) -> None:
    """One try. Raises TransientError if the database can't be reached."""
    try:
        async with _alembic_lock():
            await (_migrate_postgresql if engine.dialect.name == "postgresql" else _migrate_sqlite)(engine, package)
    except DATABASE_ERRORS as error:
        if "file is not a database" in str(error) or "disk image is malformed" in str(error):
            expected = "a SQLite database (it is damaged: delete the file, and it is made anew from the events)"
            raise BrokenSetting("VARCO_DATABASE_URL", engine.url.render_as_string(), expected) from error
        check_login(error, engine.url)
        if _unreachable(error):
            raise TransientError(in_words(error)) from error
        raise


def _alembic_lock() -> asyncio.Lock:
    """One migration at a time in this process, since alembic's `op` and `context` are global."""
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _migrate_sqlite(engine: AsyncEngine, package: str) -> None:
    lock = await asyncio.to_thread(_lock_file, engine.url)
    try:
        if file := swap.file_of(engine.url):
            await asyncio.to_thread(swap.swap_in, file)
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, package)
    finally:
        lock.close()


def _lock_file(url: sa.URL) -> IO[str]:
    """An exclusive lock beside the SQLite file, until it is closed.

    A database in memory needs none.
    """
    file = Path(url.database) if url.database else None
    if not file or url.database == ":memory:":
        return StringIO()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = file.with_name(f"{file.name}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


async def _migrate_postgresql(engine: AsyncEngine, package: str) -> None:
    schema = engine.sync_engine.get_execution_options()["schema"]
    patient = postgresql(engine.url, schema, command_seconds=None)  # an index over many rows takes long
    try:
        async with patient.begin() as connection:
            await _lock_schema(connection, package, schema)
            await connection.run_sync(_upgrade, package)
    finally:
        await patient.dispose()


async def _lock_schema(connection: AsyncConnection, package: str, schema: str) -> None:
    """Until the transaction ends, so that no two processes create or migrate the schema at once."""
    await connection.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtext(:package))"), {"package": f"varco {package}"}
    )
    await swap.swap_schema_in(connection, schema)
    known = await connection.scalar(sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema})
    if not known:  # IF NOT EXISTS would need the right to create one even if it exists
        await connection.execute(sa.text(f"CREATE SCHEMA {schema}"))


@cache
def revisions(package: str) -> tuple[str, ...]:
    """The revisions of `<package>/migrations`, the newest first.

    They are read as text, because alembic and the migrations take 6 MB of each process.
    """
    spec = find_spec(package)
    assert spec
    assert spec.origin
    texts = [file.read_text() for file in (Path(spec.origin).parent / "migrations").glob("*.py")]
    after = {name["down_revision"]: name["revision"] for text in texts if (name := dict(_REVISION.findall(text)))}
    chain = [after.pop("")]
    while chain[-1] in after:
        chain.append(after.pop(chain[-1]))
    return tuple(reversed(chain))


def _config(package: str) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - as in `_upgrade`

    config = Config()
    config.set_main_option("script_location", "varco_common.storage:migrations")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{package}:migrations")
    return config


def _upgrade(connection: sa.Connection, package: str) -> None:
    """Loads alembic only if there is something to do."""
    known, version_table = revisions(package), f"{package}_version"
    current = _current(connection, version_table)
    if newer := {*current} - {*known}:
        _log.warning("the database is of a newer version, which only adds to it", revision=",".join(newer))
    elif current != known[:1]:
        from alembic import command  # noqa: PLC0415 - large, and seldom needed

        config = _config(package)
        config.attributes.update(connection=connection, version_table=version_table)
        command.upgrade(config, "head")


def _current(connection: sa.Connection, version_table: str) -> tuple[str, ...]:
    """The revision of the tables, where alembic has written it. None before the first one."""
    if not sa.inspect(connection).has_table(version_table):
        return ()
    return tuple(connection.scalars(sa.text(f"SELECT version_num FROM {version_table}")))  # noqa: S608 - our own name


def _unreachable(error: Exception) -> bool:
    """No connection, or a server that is starting or ending (SQLSTATE 08... and 57P..).

    Any other error won't go away by itself.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OSError) or sqlstate(error).startswith(("08", "57P"))
