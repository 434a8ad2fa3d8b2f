"""A whole archive on a real bus, with mails as ingress accepts them, and real POP3 clients."""

import hashlib
import poplib
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvloop

from varco_archive import app, copy_indexer, retention_sweeper
from varco_archive.app import serve
from varco_archive.settings import Settings
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted, MailConverted
from varco_common.mail.wire_form import count_dots
from varco_common.mime import Manifest
from varco_common.storage.object_store import ObjectStore
from varco_common.testing import NatsServer, free_port, running
from varco_common.testing.certificates import self_signed
from varco_common.testing.waiting import eventually

BODY = b"Subject: hello\r\n\r\nhello\r\n..dots\r\n"
LOGIN, PASSWORD = "archive@acme.example", "another-secret"
SECTION = {"pop3": {"login": LOGIN, "password": PASSWORD}, "senders_told": "HR, 2026-11-02"}


def pytest_asyncio_loop_factories():
    """The loop that services run on: its TLS and its writes differ from asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


class Gate:
    """One archive's surroundings: it may be run, ended and run again with the same state."""

    def __init__(self, nats: NatsServer, bus: Bus, home: Path) -> None:
        self.nats, self.bus, self.home = nats, bus, home
        self.last = 0
        self.port, self.pop3, self.pop3s = free_port(), free_port(), free_port()
        (home / "tls").mkdir()
        self.certificate = self_signed(home / "tls", "localhost", "127.0.0.1")
        self.settings: dict[str, object] = {
            "home": str(home),
            "nats_url": nats.url,
            "api_port": self.port,
            "pop3_port": self.pop3,
            "pop3s_port": self.pop3s,
            "token_public_key_file": str(running.public_key(home)),
            "hostname": "gate.test",
            "drain": "5s",
        }

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate.certificate))

    async def mail(
        self,
        *recipients: str,
        body: bytes = BODY,
        sender: str = "alice@acme.example",
        account: str = "acme",
        kind: str = "accepted",
        subject: str = "hello",
        mail: str = "",
        blobs: ObjectStore | None = None,
        stored: int = 0,
        dots: int = 0,
        **more,
    ) -> str:
        """Returns the id. The body goes to `blobs`, or is there (`stored` octets with `dots`)."""
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
        elsewhere = bool(blobs or stored)
        digest = hashlib.sha256(body).hexdigest()
        where = BodyReference(
            size=stored or len(body),
            sha256=digest,
            object=mail if elsewhere else "",
            dots=dots if stored else count_dots(body),
        )
        record = MailAccepted(envelope=envelope, manifest=Manifest(subject=subject), votes=(), body=where)
        self.last = await self.bus.mail.append(kind, record, b"" if elsewhere else body)
        return mail

    async def convert(self, mail: str, body: bytes, account: str) -> None:
        """What filelink makes of the mail that was accepted last."""
        original = (await self.bus.mail.get(self.last)).record.envelope
        record = MailConverted(
            envelope=original,
            body=BodyReference(size=len(body), dots=count_dots(body)),
            original=self.last,
            links=("0" * 40,),
        )
        assert (original.id, original.account) == (mail, account)
        await self.bus.mail.append("converted", record, body)

    def archive(self, **more) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Runs an archive in this process inside the block; gives an admin's HTTP client."""
        return running.serving(serve(Settings(**self.settings | more)), self.client())

    def process(self, **more) -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
        """An archive as a process of its own, to be killed."""
        values, log = self.settings | more, self.home / "archive.log"
        return running.process("archive", Settings, values, log, self.client())

    def client(self, account: str = "") -> httpx.AsyncClient:
        """An HTTP client with a token of the account, or of the admin."""
        return running.client(self.port, account)

    async def events(self, *filters: str) -> list:
        """All events so far that match."""
        last, found = await self.bus.events.last_sequence(*filters), []
        if last:
            following = self.bus.events.follow(*filters)
            async for stored in following:
                found.append(stored.event)
                if stored.sequence >= last:
                    break
            await following.aclose()
        return found

    @contextmanager
    def pop(self, login: str = LOGIN, password: str = PASSWORD, *, implicit: bool = False) -> Iterator[poplib.POP3]:
        """A client that has logged in; to be used in a thread."""
        box = (
            poplib.POP3_SSL("127.0.0.1", self.pop3s, timeout=60, context=self.trusting)
            if implicit
            else poplib.POP3("127.0.0.1", self.pop3, timeout=60)
        )
        try:
            if not implicit:
                box.stls(self.trusting)
            box.user(login)
            box.pass_(password)
            yield box
        finally:
            box.close()


async def switch_on(http: httpx.AsyncClient, account: str = "acme", **section) -> None:
    answer = await http.put(f"/accounts/{account}/archive", json=section or SECTION)
    assert answer.status_code == 200, answer.text


async def count(http: httpx.AsyncClient, account: str = "acme") -> int:
    return (await http.get(f"/accounts/{account}/archive/status")).json()["copies"]


async def copies(http: httpx.AsyncClient, wanted: int, account: str = "acme") -> None:
    """Waits until so many are in the mailbox."""

    async def there() -> bool:
        return await count(http, account) == wanted

    await eventually(there)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter intervals and cheaper hashes for an archive in this process."""
    monkeypatch.setattr(app, "ARGON2_MEMORY_KIB", 8_192)
    monkeypatch.setattr(copy_indexer, "ACK_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(retention_sweeper, "SWEEP_SECONDS", 0.1)


@pytest.fixture
async def gate(nats: NatsServer, bus: Bus, tmp_path: Path) -> Gate:
    return Gate(nats, bus, tmp_path)
