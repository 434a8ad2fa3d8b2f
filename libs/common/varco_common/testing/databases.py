"""Databases as pytest fixtures: SQLite in a temporary folder, and a real PostgreSQL for the whole session."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from varco_common.testing.postgres import PostgresMissing, PostgresServer, postgres_server

_numbers = itertools.count()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that doesn't exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/test.sqlite"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests; who wants to kill it starts it again."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresMissing as error:
        pytest.skip(f"PostgreSQL can't start here: {error}")


@pytest_asyncio.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """An empty PostgreSQL database of the test's own."""
    name = f"test{next(_numbers)}"
    await _execute(postgres, f"CREATE DATABASE {name}")
    yield postgres.url(name)
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(postgres: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(user="postgres", host="127.0.0.1", port=postgres.port, database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs twice: on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(request.param)
    return url
