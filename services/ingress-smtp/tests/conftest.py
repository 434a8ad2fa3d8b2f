"""A whole ingress in the test's own uvloop, on a real bus, with a tiny policy behind it."""

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from varco_common.bus import Bus, MissingMail, StoredMail
from varco_common.events import AnyEvent
from varco_common.mail import grants
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.grants import Denied, Grant, LoginQuestion, NetworkQuestion, Unavailable
from varco_common.runtime.tls import Certificates
from varco_common.runtime.token_signer import TokenSigner
from varco_common.storage.object_store import open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing import NatsServer, free_port, running
from varco_common.testing.smtp import Client
from varco_common.testing.waiting import eventually
from varco_ingress_smtp.app import build
from varco_ingress_smtp.next_hop_capabilities import NextHopCapabilities
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.listener import LISTENERS, listening

ALICE = Grant(account="acme", senders=("@acme.example",), max_size=2_000_000, max_recipients=100)


def pytest_asyncio_loop_factories():
    return {"uvloop": uvloop.new_event_loop}


def certificate(directory: Path, name: str) -> None:
    """A self-signed pair `<name>.crt`, `<name>.key`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture
def make_certificate() -> Callable[[Path, str], None]:
    return certificate


@dataclass
class Policy:
    """Answers ingress's questions and votes, from what a test puts here."""

    logins: dict[tuple[str, str], Grant] = field(default_factory=lambda: {("alice", "secret"): ALICE})
    networks: dict[str, Grant] = field(default_factory=lambda: {"127.0.0.1": ALICE})
    vote: Callable[[Ballot], Vote] = lambda ballot: accept("policy")
    unavailable: bool = False
    denial: Denied = field(default_factory=lambda: Denied(account="acme"))
    asked: list[LoginQuestion | NetworkQuestion] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)

    async def login(self, payload: bytes) -> bytes:
        asked = msgspec.json.decode(payload, type=LoginQuestion)
        return self._answer(asked, self.logins.get((asked.login, asked.password)))

    async def network(self, payload: bytes) -> bytes:
        asked = msgspec.json.decode(payload, type=NetworkQuestion)
        return self._answer(asked, self.networks.get(asked.host))

    def _answer(self, asked: LoginQuestion | NetworkQuestion, grant: Grant | None) -> bytes:
        self.asked.append(asked)
        return grants.encode(Unavailable() if self.unavailable else grant or self.denial)

    def decide(self, ballot: Ballot) -> Vote:
        self.ballots.append(ballot)
        return self.vote(ballot)


@dataclass
class World:
    """One ingress and what surrounds it."""

    settings: Settings
    nats: NatsServer
    bus: Bus
    policy: Policy
    admission: Admission
    ports: dict[str, int]
    trust: ssl.SSLContext

    def connect(self, listener: str = "smtp", *, tls: bool = False) -> AbstractAsyncContextManager[Client]:
        return Client.open(self.ports[listener], self.trust if tls else None)

    async def records(self) -> list[StoredMail]:
        found: list[StoredMail] = []
        try:
            while True:
                found.append(await self.bus.mail.get(len(found) + 1))
        except MissingMail:
            return found

    async def events(self, kind: type | None = None) -> list[AnyEvent]:
        """What ingress has said so far."""
        await self.admission.recorder.flush()
        subject = "events.ingress-smtp.*.*"
        last = await self.bus.events.last_sequence(subject)
        found: list[AnyEvent] = []
        if last:
            follow = self.bus.events.follow(subject)
            async for stored in follow:
                found.append(stored.event)
                if stored.sequence >= last:
                    break
            await follow.aclose()  # type: ignore[attr-defined]
        return [event for event in found if kind is None or isinstance(event, kind)]


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


Start = Callable[..., Awaitable[World]]


@pytest.fixture
async def start(nats: NatsServer, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a world with given settings; `await start(max_connections=3)`."""
    async with AsyncExitStack() as stack:

        async def begin(
            *,
            blobs: ObjectStoreSettings | None = None,
            bucket: str = "nowhere",
            server: NatsServer = nats,
            **changed: object,
        ) -> World:
            certificate(tmp_path / "tls", "gate.example")
            given = {
                "home": tmp_path,
                "hostname": "gate.example",
                "nats_url": server.url,
                "voters": ("policy",),
                **changed,
            }
            settings = Settings(**given)  # type: ignore[arg-type]
            policy, routes = Policy(), NextHopCapabilities()
            voter = await stack.enter_async_context(Bus.connect(server.settings(), "policy"))
            await voter.requests.answer(grants.LOGIN, "policy", policy.login)
            await voter.requests.answer(grants.NETWORK, "policy", policy.network)
            await voter.voting.serve("policy", policy.decide)
            bus = await stack.enter_async_context(Bus.connect(server.settings(), "ingress-smtp"))
            store = open_store(blobs or ObjectStoreSettings(endpoint="http://127.0.0.1:9"), bucket)
            stack.push_async_callback(store.close)
            admission = build(settings, bus, store, routes, Certificates(tmp_path / "tls", (), "gate.example"))
            stack.push_async_callback(_ended, asyncio.create_task(routes.follow(bus)))
            sockets = {name: _listening() for name in LISTENERS}
            await stack.enter_async_context(listening(admission, sockets))
            stack.callback(admission.close)
            ports = {name: one.getsockname()[1] for name, one in sockets.items()}
            return World(settings, server, voter, policy, admission, ports, unverified())

        yield begin


async def _ended(task: asyncio.Task[None]) -> None:
    """Not a TaskGroup: pytest sets up and tears down in different tasks."""
    task.cancel()
    await asyncio.wait([task])


def _listening() -> socket.socket:
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen(100)
    return one


@pytest.fixture
async def world(start: Start) -> World:
    return await start()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Greeted on the smtp port, from a trusted network."""
    async with world.connect() as one:
        yield await one.hello()


@dataclass
class Ingress:
    """One ingress as a process of its own."""

    process: asyncio.subprocess.Process
    port: int
    api: int
    bus: Bus
    admin: str


@pytest.fixture
async def spawn(nats: NatsServer, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Ingress]]]:
    """Starts `varco-ingress-smtp` with environment variables, beside a policy that accepts all."""
    certificate(tmp_path / "tls", "gate.example")
    (tmp_path / "secrets").mkdir()
    running.public_key(tmp_path / "secrets")
    grant = msgspec.structs.replace(ALICE, max_size=200_000_000)
    policy = Policy(networks={"127.0.0.1": grant})
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus.connect(nats.settings(), "policy"))
        await bus.requests.answer(grants.NETWORK, "policy", policy.network)
        await bus.voting.serve("policy", policy.decide)

        async def begin(**environment: str) -> Ingress:
            port, api = free_port(), free_port()
            given = {
                "VARCO_HOME": str(tmp_path),
                "VARCO_NATS_URL": nats.url,
                "VARCO_SMTP_PORT": str(port),
                "VARCO_SUBMISSION_PORT": "0",
                "VARCO_SMTPS_PORT": "0",
                "VARCO_API_PORT": str(api),
                "VARCO_INGRESS_VOTERS": "policy",
            }
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from varco_ingress_smtp.app import main; main()",
                env=os.environ | given | environment,
            )
            stack.push_async_callback(_stopped, process)
            await eventually(lambda: _answers(port))
            return Ingress(process, port, api, bus, TokenSigner(running.KEY.encode()).mint_admin()[1])

        yield begin


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
