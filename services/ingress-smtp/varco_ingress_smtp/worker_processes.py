"""More processes on the same ports (SO_REUSEPORT). The first one starts them, restarts what dies, and ends with them."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

from varco_common.base import log

RESTART_SECONDS = 1.0

_log = log.get(__name__)


class WorkerProcesses:
    """`running` is pid to HTTP port: each process has metrics and sessions of its own."""

    def __init__(self, count: int, bind: str) -> None:
        self._count = count
        self._bind = bind
        self._ending = False
        self.running: dict[int, int] = {}

    async def run(self) -> None:
        """Keeps them alive; being cancelled it waits for their end."""
        await asyncio.gather(*(self._keep() for _ in range(self._count)))

    def end(self) -> None:
        """They drain, each by itself."""
        self._ending = True
        for pid in self.running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    async def _keep(self) -> None:
        while not self._ending:
            port = self._free_port()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "varco_ingress_smtp.worker_process",
                stdin=asyncio.subprocess.PIPE,  # it closes when this process dies, however that happens
                env=_environment(port),
            )
            self.running[process.pid] = port
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                self.end()
                await process.wait()
                raise
            finally:
                del self.running[process.pid]
            if not self._ending:
                _log.error("a process died: another one starts", pid=process.pid, code=code)
                await asyncio.sleep(RESTART_SECONDS)

    def _free_port(self) -> int:
        with socket.socket(socket.AF_INET6 if ":" in self._bind else socket.AF_INET) as probe:
            probe.bind((self._bind, 0))
            return int(probe.getsockname()[1])


def _environment(port: int) -> dict[str, str]:
    """A sibling's: its port is its own, and no health check's."""
    inherited = {name: value for name, value in os.environ.items() if name != "VARCO_API_PORT_FILE"}
    own = {"VARCO_API_PORT": str(port), "VARCO_API_PORTS": "1", "VARCO_INGRESS_PROCESSES": "1"}
    return inherited | own | {"VARCO_INGRESS_PORT_REUSE": "true"}
