"""Connections to a service's database, and how SQLite and PostgreSQL are set up for it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting

DATABASE_ERRORS = (SQLAlchemyError, OSError, TimeoutError)  # what a database that can't be reached raises
READ_ONLY = {"read_only": True}  # execution options of a connection that waits for no writer

_REFUSED = ("28", "3D")  # SQLSTATE: a wrong password or role; no such database. Trying again does not help
_BUSY_SECONDS = 5
_COMMAND_SECONDS = 60


@asynccontextmanager
async def connect(url: str, service: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the service's database.

    On PostgreSQL all names are looked up in the schema that is named like the service.
    """
    parsed = sa.make_url(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else postgresql(parsed, schema_of(service))
    try:
        yield engine
    finally:
        await engine.dispose()


def sqlstate(error: BaseException) -> str:
    """The five characters with which PostgreSQL names an error; empty for any other error."""
    return str(getattr(getattr(error, "orig", None) or error, "sqlstate", None) or "")


def in_words(error: BaseException) -> str:
    """What the database said, in one line, for logs and for /readyz."""
    text = str(getattr(error, "orig", None) or error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    return re.sub(r"^<class '[^']*'>: ", "", text).partition("\n")[0] or "no answer in time"


def check_login(error: BaseException, url: sa.URL) -> None:
    """Raises BrokenSetting if the server refuses this role, its password or the database."""
    if sqlstate(error).startswith(_REFUSED):
        expected = f"a role, a password (VARCO_DATABASE_PASSWORD_FILE) and a database that fit: {in_words(error)}"
        raise BrokenSetting("VARCO_DATABASE_URL", url.render_as_string(), expected) from None


async def log_in(url: str) -> None:
    """Tries role, password and database. Raises BrokenSetting, or TransientError if it is away."""
    parsed = sa.make_url(url)
    engine = create_async_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    try:
        async with engine.connect():
            pass
    except DATABASE_ERRORS as error:
        check_login(error, parsed)
        raise TransientError(in_words(error)) from None
    finally:
        await engine.dispose()


def schema_of(service: str) -> str:
    """The tables of `ingress-smtp` are in the schema `ingress_smtp`."""
    return service.replace("-", "_")


def postgresql(url: sa.URL, schema: str, command_seconds: float | None = _COMMAND_SECONDS) -> AsyncEngine:
    """An engine whose commands fail after `command_seconds`; None: they may take any time."""
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
    connection.isolation_level = None  # we begin transactions, since those of the driver leave DDL outside
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_sqlite_begin(connection: sa.Connection) -> None:
    """Locks at the start of each transaction that may write.

    A transaction that reads first and writes later would fail at once if another one writes.
    """
    reads = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
