"""A whole relay on a real bus, with a real next hop, and what was said meanwhile."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvloop

from varco_common.base.ids import new_id
from varco_common.base.settings import variables
from varco_common.bus import Bus
from varco_common.events import AccountOpened, AnyEvent, Blackhole, Language, RouteSet, Smarthost
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest
from varco_common.storage.object_store import ObjectStore
from varco_common.testing import NatsServer, free_port, running
from varco_common.testing.next_hop import NextHop, next_hop
from varco_common.testing.token_endpoint import TokenEndpoint, token_endpoint
from varco_relay.app import serve
from varco_relay.settings import Settings

from . import hurry
from .pools import BODY, Pools

hurry.hurry()


def pytest_asyncio_loop_factories():
    """The loop that services run on: its TLS and its writes differ from asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


class Facts:
    """Every event that was appended, as it comes."""

    def __init__(self) -> None:
        self.all: list[AnyEvent] = []
        self._more = asyncio.Condition()

    async def follow(self, bus: Bus) -> None:
        async for stored in bus.events.follow("events.>"):
            async with self._more:
                self.all.append(stored.event)
                self._more.notify_all()

    def of(self, kind, mail: str = ""):
        return [e for e in self.all if isinstance(e, kind) and mail in ("", getattr(e, "mail", ""))]

    async def until(self, kind, count: int = 1, mail: str = "", timeout: float = 60.0):
        """The events of a kind, as soon as there are so many."""
        async with asyncio.timeout(timeout), self._more:
            await self._more.wait_for(lambda: len(self.of(kind, mail)) >= count)
        return self.of(kind, mail)


class Gate:
    """One relay's surroundings: it may be run, ended and run again with the same state."""

    def __init__(self, nats: NatsServer, bus: Bus, home: Path) -> None:
        self.nats, self.bus, self.home, self.facts = nats, bus, home, Facts()
        self.port = free_port()
        self.settings: dict[str, object] = {
            "home": str(home),
            "nats_url": nats.url,
            "api_port": self.port,
            "token_public_key_file": str(running.public_key(home)),
            "helo_name": "gate.test",
            "retry_first": "0.05s",
            "retry_longest": "0.2s",
            "drain": "5s",
        }

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    async def account(self, name: str = "acme") -> None:
        await self.bus.events.append(AccountOpened(at=datetime.now(UTC), account=name, language=Language.IT))

    async def route(self, hop: NextHop | None, account: str = "acme", **more) -> None:
        """Without a next hop: the black hole."""
        way = Smarthost(host="127.0.0.1", port=hop.port, **more) if hop else Blackhole()
        await self.bus.events.append(RouteSet(at=datetime.now(UTC), account=account, route=way))

    async def mail(
        self,
        *recipients: str,
        body: bytes = BODY,
        sender: str = "alice@acme.example",
        account: str = "acme",
        age: timedelta = timedelta(),
        blobs: ObjectStore | None = None,
        kind: str = "accepted",
        **more,
    ) -> str:
        """Accepts a mail; returns its id. With `blobs` the body goes there."""
        mail = new_id()
        if blobs:
            await blobs.put(mail, body)
        envelope = Envelope(
            id=mail,
            account=account,
            sender=sender,
            recipients=recipients or ("bob@x.example",),
            host="192.0.2.1",
            received_at=datetime.now(UTC) - age,
            size=len(body),
            **more,
        )
        where = BodyReference(size=len(body), sha256=hashlib.sha256(body).hexdigest(), object=mail if blobs else "")
        record = MailAccepted(envelope=envelope, manifest=Manifest(), votes=(), body=where)
        await self.bus.mail.append(kind, record, b"" if blobs else body)
        return mail

    def relay(self, **more) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Runs a relay in this process inside the block; gives an admin's HTTP client."""
        return running.serving(serve(Settings(**self.settings | more)), self.client())

    def process(self, **more) -> subprocess.Popen[bytes]:
        """Starts a relay as a process of its own, to be killed."""
        names = variables(Settings)
        environment = {names[field]: str(value) for field, value in (self.settings | more).items()}
        with (self.home / "relay.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, hurry.__file__], env=os.environ | environment, stdout=log, stderr=log
            )

    def client(self, account: str = "") -> httpx.AsyncClient:
        """An HTTP client with a token of the account, or of the admin."""
        return running.client(self.port, account)


@pytest.fixture
async def hop() -> AsyncIterator[NextHop]:
    async with next_hop() as running:
        yield running


@pytest.fixture
async def provider() -> AsyncIterator[TokenEndpoint]:
    async with token_endpoint() as running:
        yield running


@pytest.fixture
def token_hop(hop: NextHop, provider: TokenEndpoint) -> NextHop:
    """Takes the tokens of `provider`, and no password."""
    hop.auth, hop.takes_token = ("XOAUTH2", "OAUTHBEARER"), provider.takes
    return hop


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


@pytest.fixture
async def gate(nats: NatsServer, bus: Bus, tmp_path: Path) -> AsyncIterator[Gate]:
    gate = Gate(nats, bus, tmp_path)
    following = asyncio.create_task(gate.facts.follow(bus))
    yield gate
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
