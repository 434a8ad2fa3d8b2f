"""Real servers as pytest fixtures; the root pyproject.toml loads them for every test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from varco_common.bus import Bus
from varco_common.testing.nats import NatsServer, nats_server


@pytest_asyncio.fixture
async def nats() -> AsyncIterator[NatsServer]:
    """A nats-server with MAIL and EVENTS, for one test (starts in some 50 ms)."""
    async with nats_server() as server:
        yield server


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    """A Bus on `nats`, named `test`."""
    async with Bus.connect(nats.settings(), "test") as connected:
        yield connected


__all__ = ["bus", "nats"]
