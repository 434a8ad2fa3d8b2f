"""Services that are attacked: each runs in the test's own process, on a real bus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from varco_common.testing import NatsServer, free_port
from varco_common.testing.running import KEY, client, public_key, serving
from varco_policy import app as policy_app
from varco_policy.settings import Settings as PolicySettings


class Running:
    """A running service: `admin` calls it as admin, `client(account)` as an account."""

    def __init__(self, port: int, admin: httpx.AsyncClient) -> None:
        self.port, self.admin = port, admin

    def client(self, account: str) -> httpx.AsyncClient:
        return client(self.port, account)


@pytest.fixture
def start(nats: NatsServer, tmp_path: Path):
    """Starts a service by its module `app` and its Settings."""
    key = tmp_path / "token.key"
    key.write_text(KEY)
    keys = {"token_key_file": key, "token_public_key_file": public_key(tmp_path)}

    @asynccontextmanager
    async def running(serve, settings, **values: object) -> AsyncIterator[Running]:
        port = free_port()
        chosen = settings(home=tmp_path, nats_url=nats.url, api_port=port, **keys, **values)
        async with serving(serve(chosen), client(port)) as admin:
            yield Running(port, admin)

    return running


@pytest.fixture
async def policy(start) -> AsyncIterator[Running]:
    async with start(policy_app.serve, PolicySettings) as running:
        yield running
