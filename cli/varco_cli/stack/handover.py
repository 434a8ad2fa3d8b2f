"""How `varco up` becomes a smaller program once everything runs: varco_cli/supervisor.py.

The process stays the same, so its children stay its children. It takes along the lock of the home,
the connection to the fork server, and what it must know of each process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from varco_cli.stack import forking
from varco_cli.stack.forking import ForkedServices
from varco_cli.stack.process import ManagedProcess
from varco_common.base import log
from varco_common.bus.bus_settings import BusSettings

if TYPE_CHECKING:
    from varco_cli.stack.stack import Stack

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # signals that end the stack
_POLL_SECONDS = 0.1

_log = log.get(__name__)


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

    Returns where that is impossible, or when `stop` is set. Then this program goes on. A signal
    that comes meanwhile reaches the program that follows, because no thread but this one takes any.
    """
    while forking.AVAILABLE and not stop.is_set():
        block_signals()
        try:
            await asyncio.sleep(_POLL_SECONDS)  # what came before is handled in the event loop
            handover = stack.handover()
            if handover and not stop.is_set():
                _execute(handover)
        except OSError as error:
            _log.error("can't become a smaller program: going on as this one", error=str(error))
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def block_signals() -> None:
    """Leaves the signals that end the stack to other threads."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _execute(handover: Handover) -> None:
    """Returns never. Raises OSError where the system refuses, and leaves all as it was."""
    file = os.memfd_create("handover", 0)
    taken = {handover.lock, handover.connection} - {-1}
    try:
        os.write(file, msgspec.json.encode(handover, enc_hook=str))
        os.lseek(file, 0, os.SEEK_SET)
        _set_inheritable(taken, True)
        with suppress(OSError):  # the terminal is gone, or the disk of its log is full
            sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "varco_cli.supervisor", str(file)])  # noqa: S606 - ourselves
    finally:
        _set_inheritable(taken, False)
        os.close(file)


def _set_inheritable(descriptors: Iterable[int], inheritable: bool) -> None:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, inheritable)
