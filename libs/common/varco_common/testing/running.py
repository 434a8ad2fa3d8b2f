"""A service under test: in this process, or as one of its own to be killed; and a client with a token."""

import asyncio
import os
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from varco_common.base.settings import Settings, variables
from varco_common.runtime.tokens import Keyring

KEY = "k" * 64  # what tokens are signed with

READY_SECONDS = 20.0


def client(port: int, account: str = "", key: str = KEY) -> httpx.AsyncClient:
    """An HTTP client of the service there, with a token of the account, or of the admin."""
    keyring = Keyring(key.encode())
    _, token = keyring.mint(account) if account else keyring.mint_admin()
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=20
    )


@asynccontextmanager
async def serving(serve: Coroutine[Any, Any, None], admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """The service in this process inside the block, which begins when it is ready; gives `admin`, and closes it."""
    task = asyncio.create_task(serve)
    try:
        async with admin:
            await ready(admin, task.done)
            yield admin
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def start(name: str, settings: type[Settings], values: Mapping[str, Any], log: Path) -> subprocess.Popen[bytes]:
    """The service as a process of its own, which the caller ends; it may not be ready yet."""
    names = variables(settings)
    environment = {names[field]: str(value) for field, value in values.items()}
    command = [Path(sysconfig.get_path("scripts")) / f"varco-{name}"]
    with log.open("ab") as file:
        return subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file)  # noqa: S603 - our own


@asynccontextmanager
async def process(
    name: str, settings: type[Settings], values: Mapping[str, Any], log: Path, admin: httpx.AsyncClient
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """As `start`, inside the block, which begins when it is ready; killed at its end."""
    started = start(name, settings, values, log)
    try:
        async with admin:
            await ready(admin, lambda: started.poll() is not None, log)
            yield started
    finally:
        started.kill()
        await asyncio.to_thread(started.wait)


async def ready(admin: httpx.AsyncClient, ended: Callable[[], object] = lambda: None, log: Path | None = None) -> None:
    """Until /readyz says so. Fails when the service has `ended`, with its log, or takes too long."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            assert not ended(), _told(log)
            with suppress(httpx.TransportError):
                if (await admin.get("/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.02)


def _told(log: Path | None) -> str:
    return log.read_text() if log and log.exists() else ""
