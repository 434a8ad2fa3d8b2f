"""A whole audit on a real bus, with mails as ingress accepts them and events as services say them."""

import asyncio
import hashlib
import os
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvloop

from varco_audit.app import serve
from varco_audit.settings import Settings
from varco_common.blobs import Blobs
from varco_common.bus import Bus
from varco_common.bus.streams import manager
from varco_common.envelope import Envelope
from varco_common.ids import new_id
from varco_common.manifest import Manifest
from varco_common.record import Body, MailAccepted
from varco_common.settings import variables
from varco_common.testing import NatsServer, free_port
from varco_common.tokens import Keyring
from varco_common.votes import Vote, accept

BODY = b"Subject: hello\r\n\r\nhello\r\n"
KEY = "k" * 64


def pytest_asyncio_loop_factories():
    """The loop that services run on."""
    return {"uvloop": uvloop.new_event_loop}


class Gate:
    """One audit's surroundings: it may be run, ended and run again with the same state."""

    def __init__(self, nats: NatsServer, bus: Bus, home: Path) -> None:
        self.nats, self.bus, self.home = nats, bus, home
        self.port = free_port()
        (home / "token.key").write_text(KEY)
        self.settings: dict[str, object] = {
            "home": str(home),
            "nats_url": nats.url,
            "api_port": self.port,
            "token_key_file": str(home / "token.key"),
            "drain": "5s",
        }

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mail(
        self,
        *recipients: str,
        sender: str = "alice@acme.example",
        account: str = "acme",
        kind: str = "accepted",
        mail: str = "",
        message_id: str = "",
        votes: tuple[Vote, ...] = (accept("policy"),),
        body: bytes = BODY,
        blobs: Blobs | None = None,
        **more,
    ) -> str:
        """Accepts a mail; returns its id. With `blobs` the body goes there, under that id."""
        mail = mail or new_id()
        if blobs:
            await blobs.put(mail, body)
        envelope = Envelope(
            id=mail,
            account=account,
            sender=sender,
            recipients=recipients or ("bob@x.example", "hidden@y.example"),
            host="192.0.2.1",
            received_at=datetime.now(UTC),
            size=len(body),
            **more,
        )
        manifest = Manifest(subject="hello", message_id=message_id)
        where = Body(size=len(body), sha256=hashlib.sha256(body).hexdigest(), object=mail if blobs else "")
        record = MailAccepted(envelope=envelope, manifest=manifest, votes=votes, body=where)
        await self.bus.append_mail(kind, record, b"" if blobs else body)
        return mail

    async def publish(self, subject: str, payload: bytes) -> int:
        """Puts into a stream what no service would."""
        async with manager(self.nats.settings()) as raw:
            return (await raw.jetstream().publish(subject, payload)).seq

    @asynccontextmanager
    async def audit(self, **more) -> AsyncIterator[httpx.AsyncClient]:
        """Runs an audit in this process inside the block; gives an admin's HTTP client."""
        task = asyncio.create_task(serve(Settings(**self.settings | more)))
        try:
            async with self.client() as client:
                await self.ready(client, task.done)
                yield client
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @asynccontextmanager
    async def process(self, **more) -> AsyncIterator[subprocess.Popen[bytes]]:
        """An audit as a process of its own, to be killed."""
        names = variables(Settings)
        environment = {names[name]: str(value) for name, value in (self.settings | more).items()}
        command = [Path(sysconfig.get_path("scripts")) / "varco-audit"]
        with (self.home / "audit.log").open("ab") as log:
            started = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)  # noqa: ASYNC220
        try:
            async with self.client() as client:
                await self.ready(client, lambda: started.poll() is not None)
                yield started
        finally:
            started.kill()
            await asyncio.to_thread(started.wait)

    def client(self, account: str = "") -> httpx.AsyncClient:
        """An HTTP client with a token of the account, or of the admin."""
        headers = {"Authorization": f"Bearer {self.token(account)}"}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=20)

    def token(self, account: str = "") -> str:
        keyring = Keyring(KEY.encode())
        return (keyring.mint(account) if account else keyring.mint_admin())[1]

    async def ready(self, client: httpx.AsyncClient, ended: Callable[[], bool]) -> None:
        log = self.home / "audit.log"
        async with asyncio.timeout(20):
            while True:
                assert not ended(), log.read_text() if log.exists() else ""
                with suppress(httpx.TransportError):
                    if (await client.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.02)

    async def events(self, *filters: str) -> list:
        """All events so far that match."""
        last, found = await self.bus.until(*filters), []
        if last:
            following = self.bus.follow(*filters)
            async for stored in following:
                found.append(stored)
                if stored.sequence >= last:
                    break
            await following.aclose()
        return found


@pytest.fixture
async def gate(nats: NatsServer, bus: Bus, tmp_path: Path) -> Gate:
    return Gate(nats, bus, tmp_path)
