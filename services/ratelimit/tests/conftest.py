"""The whole service, on a real bus and database, and one who plays the ingress."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.events import MailRefused
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import NatsServer
from varco_common.testing.running import public_key
from varco_ratelimit import app
from varco_ratelimit.app import serve
from varco_ratelimit.settings import Settings

KEY = "k" * 40
LEASE_SECONDS = 1.0
FAST = {"vote_timeout": "1s"}


def ballot(sender="alice@acme.example", *recipients, account="acme", size=1000, mail="") -> Ballot:
    envelope = Envelope(
        id=mail or new_id(),
        account=account,
        sender=sender,
        recipients=recipients or ("bob@dest.example",),
        host="127.0.0.1",
        received_at=datetime.now(UTC),
        size=size,
    )
    return Ballot(envelope=envelope, manifest=Manifest())


def record(ballot: Ballot, *votes: Vote) -> MailAccepted:
    return MailAccepted(envelope=ballot.envelope, manifest=ballot.manifest, votes=votes, body=BodyReference(size=2))


async def until(fact, seconds=60):
    """Asks until the fact is there."""
    async with asyncio.timeout(seconds):
        while not (found := await fact()):  # noqa: ASYNC110  # it comes about elsewhere
            await asyncio.sleep(0.01)
        return found


class Gate:
    """One running ratelimit, and the ingress before it."""

    def __init__(self, home: Path, bus: Bus) -> None:
        self.bus, self.signer = bus, TokenSigner(KEY.encode())
        self.port_file, self.base = home / "port", ""
        self.port_file.unlink(missing_ok=True)
        self.http = self.client(self.signer.mint_admin()[1])

    async def listens(self, ended=lambda: False) -> None:
        """Until the service has a port, which it chooses itself: no other process can have that."""

        async def has_port():
            assert not ended()
            return self.port_file.exists()

        await until(has_port)
        self.base = self.http.base_url = f"http://127.0.0.1:{self.port_file.read_text()}"

    def client(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.base, headers={"Authorization": f"Bearer {token}"}, timeout=20)

    async def quotas(self, *, of="acme", **document) -> dict:
        return await self.done(self.http.put(f"/accounts/{of}/quotas", json=document))

    async def done(self, request) -> dict:
        answer = await request
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def sender(self, sender="alice@acme.example", account="acme") -> dict:
        found = await self.done(self.http.get(f"/quotas/senders/{sender}", params={"account": account}))
        return found[0]

    async def used(self, sender="alice@acme.example", account="acme") -> int:
        """Messages in MAIL, of the sender's first limit."""
        return (await self.sender(sender, account))["meters"][0]["used"]

    async def vote(self, one: Ballot, seconds=20.0) -> Vote | None:
        votes = await self.bus.voting.collect(one, ["ratelimit"], seconds)
        return votes[0] if votes else None

    async def send(self, one: Ballot, other: Reply = Reply.ACCEPTED, seconds=20.0) -> Reply:
        """As ingress does it: the vote, then the record or the refusal.

        `other` is another voter's vote.
        """
        vote = await self.vote(one, seconds)
        reply = vote.reply if vote else Reply.SERVICE_MISSING
        if reply.accepts and other.accepts:
            await self.bus.mail.append("accepted", record(one, vote, accept("policy")), b"x\r\n")
        else:
            votes = tuple(filter(None, (vote, Vote(voter="policy", reply=other))))
            answer = other if reply.accepts else reply
            await self.bus.events.append(
                MailRefused(at=datetime.now(UTC), ballot=one, votes=votes, reply=answer, answer="refused")
            )
            reply = answer
        return reply

    async def patiently(self, one: Ballot) -> Reply:
        """As a client does it: again after 451, with a new mail each time."""
        while (reply := await self.send(one, seconds=5.0)) is Reply.SERVICE_MISSING:
            await asyncio.sleep(0.02)
            one = ballot(one.envelope.sender, *one.envelope.recipients, account=one.envelope.account)
        return reply

    async def ready(self) -> None:
        await self.listens()

        async def is_ready():
            with suppress(httpx.TransportError):
                return (await self.http.get("/readyz")).status_code == 200

        await until(is_ready)

    async def counted(self, number: int) -> None:
        """Returns once so many mails of alice's are counted."""

        async def are():
            return await self.used() >= number

        await until(are)


@asynccontextmanager
async def running(nats: NatsServer, home: Path, bus: Bus, **settings: object) -> AsyncIterator[Gate]:
    """ratelimit from start to drained end, in this process."""
    gate = Gate(home, bus)
    port = {"api_port": 0, "api_port_file": gate.port_file}
    facts = {"token_public_key_file": public_key(home, KEY), **port, **FAST, **settings}
    chosen = Settings(**{"home": home, "nats_url": nats.url, **facts})
    task = asyncio.create_task(serve(chosen))
    ready = asyncio.create_task(gate.ready())
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        await ready
        yield gate
    finally:
        await gate.http.aclose()
        ready.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Process:
    """ratelimit as a process of its own, to be killed."""

    def __init__(
        self, nats: NatsServer, home: Path, bus: Bus, lease: float = LEASE_SECONDS, lapse: float = 120.0, **environment
    ) -> None:
        self.gate, self.times = Gate(home, bus), (lease, lapse)
        facts = {
            "VARCO_HOME": home,
            "VARCO_NATS_URL": nats.url,
            "VARCO_TOKEN_PUBLIC_KEY_FILE": public_key(home, KEY),
            "VARCO_API_PORT": 0,
            "VARCO_API_PORT_FILE": self.gate.port_file,
            "VARCO_INGRESS_VOTE_TIMEOUT": "1s",
            **environment,
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith("VARCO_")}
        self.environment = own | {name: str(value) for name, value in facts.items()}
        self.home = home
        self.process = None

    @property
    def identity(self) -> str:
        return (self.home / "ratelimit" / "0" / "identity").read_text().split()[0]

    async def start(self) -> None:
        """Until it listens."""
        self.gate.port_file.unlink(missing_ok=True)
        program = f"from varco_ratelimit import app; app.LEASE_SECONDS, app.LAPSE_SECONDS = {self.times}; app.main()"
        self.process = await create_subprocess_exec(sys.executable, "-c", program, env=self.environment, stderr=DEVNULL)
        await self.gate.listens(lambda: self.process.returncode is not None)

    async def kill(self, number=signal.SIGKILL) -> None:
        self.process.send_signal(number)
        await self.process.wait()

    async def partitions(self) -> int:
        """How many it votes on."""
        with suppress(httpx.TransportError):
            for line in (await self.gate.http.get("/metrics")).text.splitlines():
                if line.startswith("varco_ratelimit_partitions "):
                    return int(float(line.split()[1]))
        return 0


@pytest.fixture
async def processes(nats, tmp_path, bus):
    """Makes processes; ends what is left of them."""
    made = []

    def make(name="one", **environment):
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        made.append(Process(nats, home, bus, **environment))
        return made[-1]

    yield make
    for one in made:
        await one.gate.http.aclose()
        if one.process and one.process.returncode is None:
            await one.kill()


@pytest.fixture
def start(nats, tmp_path, bus, monkeypatch):
    """Starts ratelimit on the test's bus; again with the same home."""
    monkeypatch.setattr(app, "LEASE_SECONDS", LEASE_SECONDS)
    return lambda **settings: running(nats, tmp_path, bus, **settings)


@pytest.fixture
async def gate(start):
    async with start() as gate:
        yield gate
