"""A whole audit on a real bus, with mails and events like those of a gate."""

import hashlib
import subprocess
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvloop
from nats.js.api import DiscardPolicy

from varco_audit.app import serve
from varco_audit.settings import Settings
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.bus.streams import manager
from varco_common.mail.ballot import Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest
from varco_common.runtime.token_signer import TokenSigner
from varco_common.storage.object_store import ObjectStore
from varco_common.testing import NatsServer, free_port, running

BODY = b"Subject: hello\r\n\r\nhello\r\n"


def pytest_asyncio_loop_factories():
    """The loop that services run on."""
    return {"uvloop": uvloop.new_event_loop}


class Gate:
    """One audit's surroundings: it may be run, ended and run again with the same state."""

    def __init__(self, nats: NatsServer, bus: Bus, home: Path) -> None:
        self.nats, self.bus, self.home = nats, bus, home
        self.port = free_port()
        self.settings: dict[str, object] = {
            "home": str(home),
            "nats_url": nats.url,
            "api_port": self.port,
            "token_public_key_file": str(running.public_key(home)),
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
        subject: str = "hello",
        own_message_id: str = "",
        votes: tuple[Vote, ...] = (accept("policy"),),
        body: bytes = BODY,
        blobs: ObjectStore | None = None,
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
        manifest = Manifest(subject=subject, message_id=message_id)
        where = BodyReference(size=len(body), sha256=hashlib.sha256(body).hexdigest(), object=mail if blobs else "")
        record = MailAccepted(envelope=envelope, manifest=manifest, votes=votes, body=where, message_id=own_message_id)
        await self.bus.mail.append(kind, record, b"" if blobs else body)
        return mail

    async def publish(self, subject: str, payload: bytes) -> int:
        """Puts into a stream what no service would."""
        async with manager(self.nats.settings()) as raw:
            return (await raw.jetstream().publish(subject, payload)).seq

    async def expire(self, kept: int) -> int:
        """Leaves EVENTS the newest events only, as ten years would; returns the first sequence."""
        async with manager(self.nats.settings()) as raw:
            config = (await raw.jetstream().stream_info("EVENTS")).config
            for limit, discard in ((kept, DiscardPolicy.OLD), (-1, DiscardPolicy.NEW)):
                await raw.jetstream().update_stream(replace(config, max_msgs=limit, discard=discard))
        return (await self.bus.events.bounds())[0]

    def audit(self, **more) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Runs an audit in this process inside the block; gives an admin's HTTP client."""
        return running.serving(serve(Settings(**self.settings | more)), self.client())

    def process(self, **more) -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
        """An audit as a process of its own, to be killed."""
        values, log = self.settings | more, self.home / "audit.log"
        return running.process("audit", Settings, values, log, self.client())

    def client(self, account: str = "") -> httpx.AsyncClient:
        """An HTTP client with a token of the account, or of the admin."""
        return running.client(self.port, account)

    def reader(self) -> httpx.AsyncClient:
        """An HTTP client with a token that reads everything, as an auditor's."""
        _, text = TokenSigner(running.KEY.encode()).mint_limited("admin", read_only=True, person="auditor")
        return httpx.AsyncClient(base_url=self.base, headers={"Authorization": f"Bearer {text}"}, timeout=60)

    def token(self, account: str = "") -> str:
        signer = TokenSigner(running.KEY.encode())
        return (signer.mint(account) if account else signer.mint_admin())[1]

    async def events(self, *filters: str) -> list:
        """All events so far that match."""
        last, found = await self.bus.events.last_sequence(*filters), []
        if last:
            following = self.bus.events.follow(*filters)
            async for stored in following:
                found += [stored] if stored.event else []
                if stored.sequence >= last:
                    break
            await following.aclose()
        return found


@pytest.fixture
async def gate(nats: NatsServer, bus: Bus, tmp_path: Path) -> Gate:
    return Gate(nats, bus, tmp_path)
