"""The whole service, on a real bus and database, reached over real HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from varco_common.bus import Bus
from varco_common.mail.grants import LOGIN, NETWORK, GrantAnswer, LoginQuestion, NetworkQuestion, decode_answer, encode
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import NatsServer, free_port
from varco_common.testing.running import public_key, ready, serving
from varco_policy import app
from varco_policy.app import serve
from varco_policy.settings import Settings

KEY = "k" * 40


class Policy:
    """A running policy: `http` calls it as admin, `bus` is somebody else's connection."""

    def __init__(self, port: int, bus: Bus) -> None:
        self.base, self.bus, self.signer = f"http://127.0.0.1:{port}", bus, TokenSigner(KEY.encode())
        self.http = self.client(self.signer.mint_admin()[1])

    def client(self, token: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=60)

    async def put(self, path: str, **body: object) -> dict:
        answer = await self.http.put(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def login(self, login: str, password: str, host: str = "192.0.2.7") -> GrantAnswer:
        asked = LoginQuestion(login=login, password=password, host=host)
        return decode_answer(await self.bus.requests.ask(LOGIN, encode(asked), 60))

    async def network(self, host: str) -> GrantAnswer:
        return decode_answer(await self.bus.requests.ask(NETWORK, encode(NetworkQuestion(host=host)), 60))

    async def ready(self) -> None:
        await ready(self.http)


@asynccontextmanager
async def running(nats: NatsServer, home: Path, **values: object) -> AsyncIterator[Policy]:
    """policy from start to drained end, in this process."""
    key = home / "token.key"
    key.write_text(KEY)
    keys = {"token_key_file": key, "token_public_key_file": public_key(home, KEY)}
    values = {"api_port": free_port(), **keys, **values}
    settings = Settings(home=home, nats_url=nats.url, **values)
    async with Bus.connect(nats.settings(), "test") as bus:
        policy = Policy(settings.api_port, bus)
        async with serving(serve(settings), policy.http):
            yield policy


@pytest.fixture
def start(
    nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractAsyncContextManager[Policy]]:
    """Starts policy on the test's bus; again with the same database."""
    monkeypatch.setattr(app, "ARGON2_MEMORY_KIB", 8_192)  # the least that it may be, for speed
    return lambda **settings: running(nats, **{"home": tmp_path, **settings})


@pytest.fixture
async def policy(start: Callable[..., AbstractAsyncContextManager[Policy]]) -> AsyncIterator[Policy]:
    async with start() as policy:
        yield policy
