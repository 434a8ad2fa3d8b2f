"""A whole console on a real bus, with policy's answer about tokens, reached over real HTTP."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from varco_common.bus import Bus
from varco_common.runtime import person_tokens
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import NatsServer, free_port
from varco_common.testing.running import KEY, client, public_key, serving
from varco_console.app import serve
from varco_console.settings import Settings

PASSWORD = "correct horse battery"
OPENED = dict.fromkeys(("acme", "other"), datetime(2026, 11, 1, tzinfo=UTC))
ROLES = {"operator": "", "auditor": "", "owner": "acme", "reader": "acme"}


class RunningConsole:
    """`admin` calls the API. `browser` makes a client of the pages, which keeps cookies."""

    def __init__(self, admin: httpx.AsyncClient, port: int, bus: Bus) -> None:
        self.admin, self.bus, self.url = admin, bus, f"http://127.0.0.1:{port}"

    def browser(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Accept-Language": "en", **headers}, timeout=30)

    async def add(self, name: str, role: str, account: str = "") -> str:
        """The path of the link for the password."""
        answer = await self.admin.post("/people", json={"name": name, "role": role, "account": account})
        assert answer.status_code == 201, answer.text
        return answer.json()["url"].removeprefix(self.url)

    async def add_with_password(self, name: str, role: str, account: str = "") -> None:
        link = await self.add(name, role, account)
        async with self.browser() as browser:
            answer = await send_form(browser, link, password=PASSWORD, again=PASSWORD)
            assert answer.headers["location"].startswith("/login"), answer.text

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        async with self.browser() as browser:
            answer = await send_form(browser, "/login", name=name, password=PASSWORD)
            assert answer.headers["location"] == "/", answer.text
            yield browser


async def send_form(browser: httpx.AsyncClient, page: str, action: str = "", **fields: str) -> httpx.Response:
    """Opens the page, and sends a form with its token."""
    token = form_token((await browser.get(page)).text)
    return await browser.post(action or page, data={"form_token": token, **fields})


def form_token(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', html)
    assert found, html
    return found[1]


@asynccontextmanager
async def running_console(nats: NatsServer, home: Path, port: int, **more: object) -> AsyncIterator[RunningConsole]:
    """A console whose pages are at this port."""
    settings = Settings(
        home=home,
        nats_url=nats.url,
        api_port=free_port(),
        console_port=port,
        token_public_key_file=public_key(home),
        **more,
    )
    signer = TokenSigner(KEY.encode())
    async with Bus.connect(nats.settings(), "test") as bus:
        answer = person_tokens.answering(signer, OPENED.get)
        await bus.requests.answer(person_tokens.QUESTION, "policy", answer)
        async with serving(serve(settings), client(settings.api_port)) as admin:
            yield RunningConsole(admin, port, bus)


@pytest.fixture
async def console(nats: NatsServer, tmp_path: Path) -> AsyncIterator[RunningConsole]:
    async with running_console(nats, tmp_path, free_port()) as console:
        yield console
