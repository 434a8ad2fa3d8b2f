"""What several tests of the shell start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.storage import database


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package with migrations."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "example"))
    return "shell_example"


@pytest_asyncio.fixture
async def engine(database_url: str, example: str) -> AsyncIterator[AsyncEngine]:
    """A migrated database, once SQLite and once PostgreSQL."""
    async with database.connect(database_url, "shell-example") as connected:
        await database.migrate(connected, example)
        yield connected
