"""Supervises a stack that `varco up` has started. See handover.py.

It imports no more than what it takes to start processes again and to end them.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from varco_cli.stack.child_watcher import watching_without_threads
from varco_cli.stack.disk_room import DiskRoomWatcher
from varco_cli.stack.forking import FORK_SERVER, ForkedServices, ForkServer
from varco_cli.stack.handover import ENDING, Handover, RunningProcess
from varco_cli.stack.process import ManagedProcess, Program
from varco_cli.stack.process_stages import NATS, ProcessStages
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.linux_process import set_name
from varco_common.base.tasks import ended


def main(file: int) -> None:
    """Reads from the file descriptor what was handed over, and supervises until a signal comes."""
    set_name("varco")
    with open(file, "rb") as content:
        handover = msgspec.json.decode(content.read(), type=Handover, dec_hook=lambda kind, text: kind(text))
    os.set_inheritable(handover.lock, False)
    with watching_without_threads():
        asyncio.run(_supervise(handover, StateDirectory(Path(handover.home))))


async def _supervise(handover: Handover, home: StateDirectory) -> None:
    stop = asyncio.Event()
    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    stages = ProcessStages(_tell)
    watcher = DiskRoomWatcher(home, handover.bus, lambda: stages.processes[NATS].kill(signal.SIGTERM))
    with home.log_file("varco").open("a") as lines:
        log.configure(handover.log_level, lines)
        try:
            for stage in _taken_over(handover, home):
                stages.keep_running(*stage)
            watching = asyncio.create_task(watcher.run(), name="disk room")
            await stop.wait()
            await ended(watching)
        finally:
            await stages.stop()
            home.release(handover.lock)


def _taken_over(handover: Handover, home: StateDirectory) -> Iterator[Sequence[ManagedProcess]]:
    """Yields the stages. The fork server is in the first one, because others start from it."""
    fork_server: ForkServer | None = None
    for stage in handover.stages:
        processes: list[ManagedProcess] = []
        for running in stage:
            if running.name == FORK_SERVER:
                fork_server = _fork_server(running, handover.connection, home)
                processes.append(fork_server)
            elif running.forked and fork_server:
                processes.append(ForkedServices(_program(running), home, fork_server, running.pid))
            else:
                processes.append(ManagedProcess(_program(running), home, running.pid))
        yield processes


def _fork_server(running: RunningProcess, descriptor: int, home: StateDirectory) -> ForkServer:
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    connection.setblocking(False)
    return ForkServer(home, running.pid, connection)


def _program(running: RunningProcess) -> Program:
    return Program(
        name=running.name,
        command=running.command,
        environment=running.environment,
        grace_seconds=running.grace_seconds,
    )


def _tell(text: str) -> None:
    with suppress(OSError):  # the terminal is gone
        sys.stderr.write(f"{text}\n")
