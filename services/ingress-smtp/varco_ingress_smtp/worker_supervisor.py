"""More processes on the same ports (SO_REUSEPORT), kept running by the first one."""

import asyncio
import os
import socket
import sys

from varco_common.base.supervision import Process, keep_running


class WorkerProcesses:
    """`ports` has the HTTP port of each pid: each process has metrics and sessions of its own."""

    def __init__(self, count: int, bind: str, grace_seconds: float) -> None:
        self._count = count
        self._bind = bind
        self._grace_seconds = grace_seconds
        self._supervisions: list[asyncio.Task[None]] = []
        self.ports: dict[int, int] = {}

    async def run(self) -> None:
        """Keeps the processes running until `end`, and returns when they are gone."""
        self._supervisions = [asyncio.create_task(self._supervise(number)) for number in range(self._count)]
        try:
            await asyncio.gather(*self._supervisions, return_exceptions=True)
        finally:
            await asyncio.gather(*self._supervisions, return_exceptions=True)

    def end(self) -> None:
        """Lets each process drain by itself."""
        for supervision in self._supervisions:
            supervision.cancel()

    async def _supervise(self, number: int) -> None:
        await keep_running(
            f"ingress-smtp worker {number + 1}",
            self._spawn,
            grace_seconds=self._grace_seconds,
            on_exit=self._on_exit,
        )

    def _on_exit(self, process: Process) -> None:
        self.ports.pop(process.pid, None)

    async def _spawn(self) -> Process:
        port = self._free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "varco_ingress_smtp.worker_main",
            stdin=asyncio.subprocess.PIPE,  # it closes when this process dies, however that happens
            env=_environment(port),
        )
        self.ports[process.pid] = port
        return process

    def _free_port(self) -> int:
        with socket.socket(socket.AF_INET6 if ":" in self._bind else socket.AF_INET) as probe:
            probe.bind((self._bind, 0))
            return int(probe.getsockname()[1])


def _environment(port: int) -> dict[str, str]:
    """A worker's: its HTTP port is its own, and no health check asks for it."""
    inherited = {name: value for name, value in os.environ.items() if name != "VARCO_API_PORT_FILE"}
    own = {"VARCO_API_PORT": str(port), "VARCO_API_PORTS": "1", "VARCO_INGRESS_PROCESSES": "1"}
    return inherited | own | {"VARCO_INGRESS_PORT_REUSE": "true"}
