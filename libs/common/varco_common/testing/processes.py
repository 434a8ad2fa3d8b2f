"""Server processes for tests: found beside this Python, started, waited for, killed."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice
from pathlib import Path

from varco_common.base.port_reservation import reserve

READY_SECONDS = 30.0
_PORTS = 200


def binary(name: str) -> str:
    """The path of a program from a Python package, or of one that is installed on the machine."""
    script = Path(sysconfig.get_path("scripts")) / name
    path = str(script) if script.exists() else shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: `make venv` installs it")
    return path


@cache
def _own_ports() -> Iterator[int]:
    """Round and round the ports of this process, below those that the kernel gives to clients."""
    first = next(first for first in range(26_000, 32_600, _PORTS) if reserve(first))
    return cycle(range(first, first + _PORTS))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that no process listens on now, and that no other test looks at."""
    for port in islice(_own_ports(), _PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                probe.listen(1)
                return port
    raise RuntimeError(f"all {_PORTS} ports of this process are taken")


def alive(pid: int) -> bool:
    """Says whether the process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone, or going while it was read
        return False


class Server:
    """A process that can be killed and started again with the same store and ports.

    It writes to `log`.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        port: int,
        environment: dict[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.command = command
        self.log = log
        self.port = port
        self._user = user
        self._environment = {**os.environ, **(environment or {})}
        # Popen is bound to no event loop, so fixtures of any scope may have it.
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Starts it and waits until its port answers."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - takes a millisecond; the command is ours
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                user=self._user,
            )
        async with asyncio.timeout(READY_SECONDS):
            while not await self.answers():
                if self._process.poll() is not None:
                    raise RuntimeError(f"{self.command[0]} ended: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.02)

    async def answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def kill(self) -> None:
        """Sends SIGKILL, and waits until it is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and waits until it is gone."""
        await self._end(signal.SIGTERM)

    async def restart(self) -> None:
        """SIGKILL, then a new process on the same store and port."""
        await self.kill()
        await self.start()

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            await asyncio.to_thread(self._process.wait)
