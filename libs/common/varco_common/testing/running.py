"""A service under test, in this process or in one of its own, and a client with a token."""

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
from varco_common.runtime.token_signer import TokenSigner

KEY = "k" * 64  # signs the tokens

READY_SECONDS = 60.0


def public_key(home: Path, key: str = KEY) -> Path:
    """Writes the file with which the services of a test verify tokens."""
    path = home / "token.public"
    path.write_bytes(TokenSigner(key.encode()).public_key)
    return path


def client(port: int, account: str = "", key: str = KEY) -> httpx.AsyncClient:
    """An HTTP client of the service at this port, with a token of the account or of the admin."""
    signer = TokenSigner(key.encode())
    _, token = signer.mint(account) if account else signer.mint_admin()
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )


@asynccontextmanager
async def serving(serve: Coroutine[Any, Any, None], admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Runs the service in this process; the block begins when it is ready.

    Yields and closes `admin`.
    """
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
    """Starts the service as a process, which the caller ends. It may not be ready yet."""
    names = variables(settings)
    environment = {names[field]: str(value) for field, value in values.items()}
    command = [Path(sysconfig.get_path("scripts")) / f"varco-{name}"]
    with log.open("ab") as file:
        return subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file)  # noqa: S603 - our own


@asynccontextmanager
async def process(
    name: str, settings: type[Settings], values: Mapping[str, Any], log: Path, admin: httpx.AsyncClient
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """As `start`; the block begins when the service is ready, and kills it at its end."""
    started = start(name, settings, values, log)
    try:
        async with admin:
            await ready(admin, lambda: started.poll() is not None, log)
            yield started
    finally:
        started.kill()
        await asyncio.to_thread(started.wait)


async def ready(admin: httpx.AsyncClient, ended: Callable[[], object] = lambda: None, log: Path | None = None) -> None:
    """Waits until /readyz answers 200. Fails with the log if the service has `ended`."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            assert not ended(), _log_text(log)
            with suppress(httpx.TransportError):
                if (await admin.get("/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.02)


def _log_text(log: Path | None) -> str:
    return log.read_text() if log and log.exists() else ""
