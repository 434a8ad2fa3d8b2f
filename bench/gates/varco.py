"""Varco itself: `varco up` in its own home, with an account whose next hop is the sink."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import yaml

from bench.gates.base import Gate
from varco_cli.stack.settings import Ports

START_SECONDS = 90.0
STOP_SECONDS = 60.0


class Stack(msgspec.Struct, kw_only=True):
    """A running stack: the pid of its supervisor, its home, and the environment of its commands."""

    pid: int
    home: Path
    environment: dict[str, str]

    @property
    def smtp_port(self) -> int:
        return int(self.environment["VARCO_SMTP_PORT"])

    def processes(self) -> dict[str, int]:
        """Returns the pid of each process by name; `varco` is the supervisor."""
        return {file.stem: int(file.read_text()) for file in sorted((self.home / "pids").glob("*.pid"))}


@contextlib.asynccontextmanager
async def varco(home: Path, sink: int, name: str = "varco") -> AsyncIterator[Gate]:
    """Runs the embedded stack as a gate that delivers everything to port `sink`.

    `varco-one` has all services in one process, `varco-copy` an account with copies.
    """
    async with running(
        home, sink, processes="one" if name == "varco-one" else "groups", copies=name == "varco-copy"
    ) as stack:
        yield Gate(name=name, port=stack.smtp_port, roots=lambda: [stack.pid])


@contextlib.asynccontextmanager
async def running(
    home: Path, sink: int, *, processes: str = "groups", copies: bool = True, more: Mapping[str, str] | None = None
) -> AsyncIterator[Stack]:
    """Runs the embedded stack with the account of the bench. `more` are further settings."""
    environment = _environment(home, Ports.free(), more or {})
    log = home / "up.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_varco("up", "--processes", processes),
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        stack = Stack(pid=process.pid, home=home, environment=environment)
        await _ready(process, log)
        await apply(stack, account(sink, copies=copies))
        yield stack
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


def account(sink: int, *, copies: bool = True) -> dict[str, object]:
    """Returns the account file of the bench.

    It lists 500 senders, trusts the loopback, and has what W4, W7 and perhaps copies need.
    """
    mailbox = {"pop3": {"login": "copies@corp.test", "password": "for-the-bench-alone"}, "senders_told": "bench"}
    return {
        "account": "bench",
        "language": "en",
        "senders": [f"user{number}@corp.test" for number in range(500)],
        "networks": ["127.0.0.0/8"],
        "route": {"smarthost": f"127.0.0.1:{sink}", "tls": "none"},
        "rules": {"max_size": "50MB", "max_recipients": 100, "attachments": {"allow": ["pdf", "txt"]}},
        **({"archive": mailbox} if copies else {}),
    }


def _environment(home: Path, ports: Ports, more: Mapping[str, str]) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VARCO_")}
    return {
        **inherited,
        **ports.environment,
        "VARCO_API_PORT": str(ports.api),
        "VARCO_HOME": str(home),
        **more,
    }


def _varco(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "varco_cli.main", *arguments]


async def _ready(process: asyncio.subprocess.Process, log: Path) -> None:
    """Waits until the stack is ready.

    Raises RuntimeError with its last line where it ends before.
    """
    async with asyncio.timeout(START_SECONDS):
        while "Varco is ready" not in (said := _said(log)):
            if process.returncode is not None:
                raise RuntimeError(f"varco up ended: {said[-2000:]}")
            await asyncio.sleep(0.1)


def _said(log: Path) -> str:
    return log.read_text()


async def apply(stack: Stack, section: dict[str, object]) -> None:
    """Runs `varco apply` with the account, or with changes of it.

    Raises RuntimeError with its last line.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_varco("apply", "--yes", "-f", "-"),
        env=stack.environment,
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(yaml.safe_dump(section).encode())
    if process.returncode:
        raise RuntimeError(f"varco apply failed: {said.decode()[-2000:]}")
