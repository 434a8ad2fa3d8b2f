"""A whole filelink on a real bus and a real object store, and the events that it appends."""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvloop

from varco_common.base.ids import new_id
from varco_common.base.settings import variables
from varco_common.bus import Bus, StoredMail
from varco_common.events import AccountOpened, AttachmentLinked, Language, LanguagesChosen
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import scan
from varco_common.runtime.key_file import read_key
from varco_common.storage.object_store import BODIES, LINKS, open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing import NatsServer, S3Server, free_port, running
from varco_common.testing.waiting import eventually
from varco_filelink import link_sweeper, worker
from varco_filelink.app import serve
from varco_filelink.link_addresses import LinkAddresses
from varco_filelink.settings import Settings

PROCESS = """
from datetime import timedelta
from varco_filelink import app, link_sweeper, worker
link_sweeper.EXPIRE_SECONDS, worker.ACK_WAIT_SECONDS = 0.1, 2.0
{constants}
app.main()
"""


def pytest_asyncio_loop_factories():
    """The loop that services run on."""
    return {"uvloop": uvloop.new_event_loop}


class Gate:
    """What a filelink needs around it. It may be run, ended and run again with the same state."""

    def __init__(self, nats: NatsServer, bus: Bus, home: Path, server: S3Server | None = None) -> None:
        self.nats, self.bus, self.home = nats, bus, home
        store = server.settings if server else ObjectStoreSettings(directory=home / "objects")
        self.port, self.links_port = free_port(), free_port()
        self.files, self.bodies = open_store(store, LINKS), open_store(store, BODIES)
        self.settings: dict[str, object] = {
            "home": str(home),
            "nats_url": nats.url,
            "api_port": self.port,
            "links_port": self.links_port,
            "token_public_key_file": str(running.public_key(home)),
            "drain": "5s",
        }
        if server:
            self.settings["s3_endpoint"] = store.endpoint
            self.settings["s3_access_key_file"] = str(store.access_key_file)
            self.settings["s3_secret_key_file"] = str(store.secret_key_file)

    async def account(self, name: str = "acme") -> None:
        """Its users read English and Italian."""
        at = datetime.now(UTC)
        await self.bus.events.append(AccountOpened(at=at, account=name, language=Language.IT))
        await self.bus.events.append(LanguagesChosen(at=at, account=name, languages=(Language.EN, Language.IT)))

    def ballot(self, body: bytes, account: str = "acme", **more) -> Ballot:
        envelope = Envelope(
            id=new_id(),
            account=account,
            sender="alice@acme.example",
            recipients=("bob@x.example",),
            host="192.0.2.1",
            received_at=datetime.now(UTC),
            size=len(body),
            **more,
        )
        return Ballot(envelope=envelope, manifest=scan(body))

    async def vote(self, ballot: Ballot) -> Vote:
        [vote] = await self.bus.voting.collect(ballot, ["filelink"], 5)
        return vote

    async def accept(self, body: bytes, *, stored: bool = False, before: bytes = b"", **more) -> str:
        """Has a mail voted on and accepts it, as ingress does; `before` are added header fields."""
        ballot = self.ballot(body, **more)
        vote = await self.vote(ballot)
        assert vote.convert
        return await self.take(ballot, vote.convert, before + body, shift=len(before), stored=stored)

    async def take(self, ballot: Ballot, convert: tuple[str, ...], body: bytes, *, shift: int = 0, stored=False) -> str:
        mail = ballot.envelope.id
        if stored:
            await self.bodies.ensure()
            await self.bodies.put(mail, body)
        where = BodyReference(
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            object=mail if stored else "",
            shift=shift,
        )
        record = MailAccepted(envelope=ballot.envelope, manifest=ballot.manifest, votes=(), body=where, convert=convert)
        await self.bus.mail.append("convert", record, b"" if stored else body)
        return mail

    async def converted(self, mail: str, account: str = "acme") -> list[StoredMail]:
        """Every record of this mail that relay would take."""
        async with aclosing(self.bus.mail.read("converted", account, 0)) as records:
            return [stored async for stored in records if stored.record.envelope.id == mail]

    async def converted_body(self, mail: str, account: str = "acme") -> bytes:
        """The body of the converted mail, once it is in MAIL."""
        [stored] = await eventually(lambda: self.converted(mail, account))
        where = stored.record.body
        body = await self.bodies.get(where.object) if where.object else stored.body
        assert hashlib.sha256(body).hexdigest() == where.sha256
        assert len(body) == where.size
        return body

    async def events(self, kind=AttachmentLinked) -> list:
        """The events of a kind that filelink has appended so far."""
        subjects = "events.filelink.*.*"
        last, events = await self.bus.events.last_sequence(subjects), []
        async with aclosing(self.bus.events.follow(subjects)) as following:
            while last and (stored := await anext(following)):
                events += [stored.event] if isinstance(stored.event, kind) else []
                if stored.sequence >= last:
                    break
        return events

    def url(self, event: AttachmentLinked) -> str:
        """The address of the link, which only filelink's key completes."""
        return LinkAddresses(read_key(self.home / "secrets" / "filelink.key")).url(event)

    async def set_links(self, client: httpx.AsyncClient, account: str = "acme", **section) -> None:
        section = {"over": 10_000, "base_url": f"http://127.0.0.1:{self.links_port}"} | section
        answer = await client.put(f"/accounts/{account}/filelink", json=section)
        assert answer.status_code == 200, answer.text

    def filelink(self, **more) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Runs a filelink in this process inside the block; gives an admin's HTTP client."""
        return running.serving(serve(Settings(**self.settings | more)), self.client())

    def process(self, constants: str = "", **more) -> subprocess.Popen[bytes]:
        """Starts a filelink as a process of its own, to be killed.

        `constants` are statements that set some.
        """
        names = variables(Settings)
        environment = {names[field]: str(value) for field, value in (self.settings | more).items()}
        program = PROCESS.format(constants=constants)
        with (self.home / "filelink.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", program], env=os.environ | environment, stdout=log, stderr=log
            )

    def client(self, account: str = "") -> httpx.AsyncClient:
        """An HTTP client with a token of the account, or of the admin."""
        return running.client(self.port, account)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter intervals for a filelink in this process."""
    monkeypatch.setattr(link_sweeper, "EXPIRE_SECONDS", 0.1)
    monkeypatch.setattr(worker, "ACK_WAIT_SECONDS", 2.0)


@pytest.fixture
async def gate(nats: NatsServer, bus: Bus, tmp_path: Path) -> AsyncIterator[Gate]:
    gate = Gate(nats, bus, tmp_path)
    yield gate
    await gate.files.close()
    await gate.bodies.close()


@pytest.fixture
async def filelink(gate: Gate) -> AsyncIterator[httpx.AsyncClient]:
    """A running filelink with account acme, whose attachments over 10 KB become links."""
    await gate.account()
    async with gate.filelink() as client:
        await gate.set_links(client)
        yield client


@pytest.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client
