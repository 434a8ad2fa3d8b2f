"""How `varco up` becomes a smaller program once everything runs: varco_cli/supervisor.py.

The process stays the same, so its children stay its children. It takes along the lock of the home,
the connection to the fork server, and what it must know of each process.
"""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import msgspec

from varco_cli.stack import forking
from varco_cli.stack.forking import ForkedServices
from varco_cli.stack.process import ManagedProcess
from varco_common.bus.bus_settings import BusSettings

if TYPE_CHECKING:
    from varco_cli.stack.stack import Stack

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # signals that end the stack
_POLL_SECONDS = 0.1


class RunningProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the stack. `environment` has the variables that differ from the supervisor's."""

    name: str
    pid: int
    command: list[str]
    environment: dict[str, str]
    grace_seconds: float
    forked: bool

    @classmethod
    def of(cls, process: ManagedProcess) -> "RunningProcess":
        program = process.program
        return cls(
            name=process.name,
            pid=process.pid,
            command=[*program.command],
            environment={**program.environment},
            grace_seconds=program.grace_seconds,
            forked=isinstance(process, ForkedServices),
        )


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that runs. `lock` and `connection` (-1: none) are file descriptors."""

    home: str
    lock: int
    log_level: str
    bus: BusSettings
    connection: int
    stages: list[list[RunningProcess]]


async def hand_over(stack: "Stack", stop: asyncio.Event) -> None:
    """Replaces the program of this process.

    Returns where that is impossible, or when `stop` is set. A signal that comes meanwhile reaches
    the program that follows.
    """
    while forking.AVAILABLE and not stop.is_set():
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            await asyncio.sleep(_POLL_SECONDS)  # what came before is handled in the event loop
            handover = stack.handover()
            if handover and not stop.is_set():
                _execute(handover)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _execute(handover: Handover) -> None:
    file = os.memfd_create("handover", 0)
    os.write(file, msgspec.json.encode(handover, enc_hook=str))
    os.lseek(file, 0, os.SEEK_SET)
    for descriptor in {handover.lock, handover.connection} - {-1}:
        os.set_inheritable(descriptor, True)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "varco_cli.supervisor", str(file)])  # noqa: S606 - ourselves
