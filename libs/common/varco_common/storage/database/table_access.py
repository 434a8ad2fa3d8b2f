"""Reads and writes a service's own tables, in either kind of database."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.base.errors import TransientError
from varco_common.storage.database.engine import DATABASE_ERRORS, READ_ONLY, in_words


class TableAccess:
    """Raises TransientError while the database is away. `insert` has ON CONFLICT."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine, self._reader = engine, engine.execution_options(**READ_ONLY)
        dialect: Any = postgresql if engine.dialect.name == "postgresql" else sqlite
        self.insert: Callable[[sa.Table], Any] = dialect.insert

    async def read(self, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
        """The rows of the query. A reader waits for no writer."""
        with _transient_errors():
            async with self._reader.connect() as connection:
                return [tuple(row) for row in await connection.execute(query)]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        with _transient_errors():
            async with self._engine.begin() as connection:
                yield connection


@contextmanager
def _transient_errors() -> Iterator[None]:
    try:
        yield
    except DATABASE_ERRORS as error:
        raise TransientError(f"the database is away: {in_words(error)}") from error
