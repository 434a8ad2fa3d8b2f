"""Databases as pytest fixtures: SQLite in a temporary folder, one real PostgreSQL for all tests."""

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
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/test.sqlite"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests. A test that kills it must start it again."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresMissing as error:
        pytest.skip(f"PostgreSQL cannot start here: {error}")


@pytest_asyncio.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """An empty PostgreSQL database for this test."""
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
    """Runs the test twice: on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(request.param)
    return url
