"""The whole service on a real bus, database and DNS server, over real HTTP."""

import base64
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from varco_common.bus import Bus
from varco_common.events import Event
from varco_common.mail.dkim_keys import DKIM_KEY, DkimKeyAnswer, decode_question, encode
from varco_common.testing import NatsServer, free_port
from varco_common.testing.dns import DnsServer
from varco_common.testing.running import client, public_key, serving
from varco_domains.app import serve
from varco_domains.settings import Settings


class Relay:
    """Answers as relay does, with keys that sign nothing."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    async def answer(self, data: bytes) -> bytes:
        self.questions.append(decode_question(data).algorithm)
        public = base64.b64encode(secrets.token_bytes(294)).decode()
        return encode(DkimKeyAnswer(public=public, secret="sealed"))


@asynccontextmanager
async def fake_relay(bus: Bus) -> AsyncIterator[Relay]:
    relay = Relay()
    end = await bus.requests.answer(DKIM_KEY, "relay", relay.answer)
    yield relay
    end()


class Domains:
    """A running service: `admin` calls it as admin, `account` with an account's own token."""

    def __init__(self, port: int, admin: httpx.AsyncClient, bus: Bus, dns: DnsServer) -> None:
        self.port, self.admin, self.bus, self.dns = port, admin, bus, dns

    def account(self, name: str) -> httpx.AsyncClient:
        return client(self.port, name)

    async def add(self, account: str, domain: str) -> dict[str, Any]:
        """Adds the domain; returns it."""
        path = f"/accounts/{account}/domains/{domain}"
        (await self.admin.put(path)).raise_for_status()
        return (await self.admin.get(path)).json()

    async def prove(self, account: str, domain: str) -> None:
        """Adds the domain, publishes its record and looks at it."""
        record = (await self.add(account, domain))["record"]
        self.dns.add_txt(record["name"], record["value"])
        answer = (await self.admin.post(f"/accounts/{account}/domains/{domain}/check")).json()
        assert answer["status"] == "proven"

    async def append(self, kind: type[Event], account: str, **fields: Any) -> None:
        await self.bus.events.append(kind(at=datetime.now(UTC), account=account, **fields))


Start = Callable[[], AbstractAsyncContextManager[Domains]]


@pytest.fixture
def start(tmp_path: Path, nats: NatsServer, bus: Bus, dns: DnsServer) -> Start:
    """Starts the service; again on the same database."""

    @asynccontextmanager
    async def started() -> AsyncIterator[Domains]:
        port = free_port()
        settings = Settings(
            home=tmp_path,
            nats_url=nats.url,
            api_port=port,
            token_public_key_file=public_key(tmp_path),
            resolver_servers=(dns.address,),
        )
        async with serving(serve(settings), client(port)) as admin:
            yield Domains(port, admin, bus, dns)

    return started


@pytest.fixture
async def relay(bus: Bus) -> AsyncIterator[Relay]:
    async with fake_relay(bus) as relay:
        yield relay


@pytest.fixture
async def domains(start: Start) -> AsyncIterator[Domains]:
    async with start() as running:
        yield running
