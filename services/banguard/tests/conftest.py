"""The whole service on a real bus and database, over real HTTP. Tests append events of ingress."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from varco_banguard.app import serve
from varco_banguard.settings import Settings
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.events import AnyEvent, AuthCause, AuthFailed, MailRefused
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import NatsServer, free_port
from varco_common.testing.running import public_key, ready, serving
from varco_common.testing.waiting import eventually

KEY = "k" * 40


class Banguard:
    """A running banguard: `http` calls it as admin, `bus` is somebody else's connection."""

    def __init__(self, port: int, bus: Bus, home: Path) -> None:
        self.base, self.bus, self.home = f"http://127.0.0.1:{port}", bus, home
        self.signer = TokenSigner(KEY.encode())
        self.http = self.client(self.signer.mint_admin()[1])

    def client(self, token: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=20)

    def of_account(self, account: str) -> httpx.AsyncClient:
        return self.client(self.signer.mint(account)[1])

    async def fail(
        self,
        host: str,
        login: str = "mario@acme.example",
        cause: AuthCause = AuthCause.WRONG_CREDENTIALS,
        account: str = "",
        service: str = "ingress-smtp",
    ) -> int:
        return await self.bus.events.append(
            AuthFailed(at=datetime.now(UTC), host=host, login=login, cause=cause, account=account, service=service)
        )

    async def refuse(
        self, host: str, account: str, sender: str, reply=Reply.SENDER_NOT_AUTHORISED, login: str = ""
    ) -> int:
        vote = Vote(voter="policy", reply=reply)
        ballot = ballot_of(host, account, sender, login)
        return await self.bus.events.append(
            MailRefused(at=datetime.now(UTC), ballot=ballot, votes=(vote,), reply=reply, answer="550 no")
        )

    async def next_event(self, *facts: str) -> AnyEvent:
        """The first event of banguard with one of these wire names."""
        filters = [f"events.banguard.{fact}.*" for fact in facts]
        async with asyncio.timeout(60), aclosing(self.bus.events.follow(*filters)) as events:
            async for stored in events:
                if stored.event:
                    await self.applied(stored.sequence, *facts)
                    return stored.event
        raise AssertionError

    async def applied(self, sequence: int, *facts: str) -> None:
        """Returns when banguard votes by the event: a test can see it in the stream earlier."""

        async def votes_by_it() -> bool:
            return (await self.vote("198.18.0.1")).sequence >= sequence

        if "login-guarded" not in facts:  # no vote depends on it
            await eventually(votes_by_it)

    async def all_events(self, *facts: str) -> list[AnyEvent]:
        filters = [f"events.banguard.{fact}.*" for fact in facts or ("*",)]
        if not (until := await self.bus.events.last_sequence(*filters)):
            return []
        found = []
        async with asyncio.timeout(60), aclosing(self.bus.events.follow(*filters)) as events:
            async for stored in events:
                found += [stored.event] if stored.event else []
                if stored.sequence >= until:
                    return found
        raise AssertionError

    async def until_events(self, count: int, *facts: str) -> list[AnyEvent]:
        async def enough() -> list[AnyEvent]:
            found = await self.all_events(*facts)
            return found if len(found) >= count else []

        found = await eventually(enough)
        await self.applied(
            await self.bus.events.last_sequence(*[f"events.banguard.{fact}.*" for fact in facts]), *facts
        )
        return found

    async def vote(self, host: str, login: str = "") -> Vote:
        ballot = ballot_of(host, "acme", "mario@acme.example", login)
        (vote,) = await self.bus.voting.collect(ballot, ["banguard"], 60)
        return vote

    async def banned(self) -> list[str]:
        return [ban["network"] for ban in (await self.http.get("/bans")).json()]

    async def ready(self) -> None:
        await ready(self.http)


def ballot_of(host: str, account: str, sender: str, login: str = "") -> Ballot:
    envelope = Envelope(
        id=new_id(),
        account=account,
        sender=sender,
        recipients=("a@partner.example",),
        host=host,
        login=login,
        received_at=datetime.now(UTC),
    )
    return Ballot(envelope=envelope, manifest=Manifest())


@asynccontextmanager
async def running(nats: NatsServer, home: Path, **values: object) -> AsyncIterator[Banguard]:
    """banguard from start to drained end, in this process."""
    values = {"api_port": free_port(), "token_public_key_file": public_key(home, KEY), **values}
    settings = Settings(home=home, nats_url=nats.url, **values)
    async with Bus.connect(nats.settings(), "test") as bus:
        banguard = Banguard(settings.api_port, bus, home)
        async with serving(serve(settings), banguard.http):
            yield banguard


@pytest.fixture
def start(nats: NatsServer, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Banguard]]:
    """Starts banguard on the test's bus; again with the same database."""
    return lambda **settings: running(nats, **{"home": tmp_path, **settings})


@pytest.fixture
async def banguard(start: Callable[..., AbstractAsyncContextManager[Banguard]]) -> AsyncIterator[Banguard]:
    async with start() as banguard:
        yield banguard
