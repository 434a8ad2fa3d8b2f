"""One process of the stack lives on where the machine refuses what its supervisor asks for."""

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from varco_cli.stack import FailedStart, StateDirectory
from varco_cli.stack.forking import ForkServer
from varco_cli.stack.process import ManagedProcess, Program
from varco_common.testing.processes import alive

SECONDS = 60
PATIENT = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def home(tmp_path: Path) -> StateDirectory:
    home = StateDirectory(tmp_path)
    home.logs.mkdir()
    home.pid_file("patient").parent.mkdir()
    return home


@pytest.fixture
async def process(home: StateDirectory) -> AsyncIterator[ManagedProcess]:
    process = ManagedProcess(Program(name="patient", command=PATIENT), home)
    yield process
    await process.stop()


async def died_and_back(process: ManagedProcess) -> int:
    """Kills the process, and returns its id when another one runs."""
    before = await process.kill()
    async with asyncio.timeout(SECONDS):
        await process.wait_restarted(before)
    assert not alive(before)
    return before


async def test_it_starts_again_when_the_disk_has_room_for_its_log_again(
    process: ManagedProcess, home: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.start()
    refused = asyncio.Event()

    def full(_: StateDirectory, __: str) -> Path:
        refused.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(StateDirectory, "log_file", full)
        before = await process.kill()
        async with asyncio.timeout(SECONDS):
            await refused.wait()
    async with asyncio.timeout(SECONDS):
        await process.wait_restarted(before)
    assert home.pid_file("patient").read_text() == f"{process.pid}\n"


async def test_it_runs_without_a_pid_file_where_none_can_be_written(
    process: ManagedProcess, home: StateDirectory
) -> None:
    await process.start()
    home.pid_file("patient").unlink()
    home.pid_file("patient").parent.rmdir()
    await died_and_back(process)
    await died_and_back(process)
    running = process.pid
    await process.stop()
    assert not alive(running)


async def test_it_ends_where_its_pid_file_can_not_be_removed(process: ManagedProcess, home: StateDirectory) -> None:
    home.pid_file("patient").mkdir()  # which is refused like a file on a disk that can't be written
    await process.start()
    running = process.pid
    await process.stop()
    assert not alive(running)


async def test_a_fork_server_without_a_pid_file_forks_and_ends(home: StateDirectory) -> None:
    home.pid_file("patient").parent.rmdir()
    server = ForkServer(home)
    await server.start()
    assert await asyncio.wait_for(server.descriptions(), SECONDS)
    assert server.settled
    await server.stop()
    assert not server.settled


async def test_a_first_start_that_is_refused_says_why(process: ManagedProcess, home: StateDirectory) -> None:
    home.logs.rmdir()
    with pytest.raises(FailedStart, match=r"patient can't be started: .*No such file"):
        await asyncio.wait_for(process.start(), SECONDS)


async def test_a_fork_server_whose_connection_broke_is_not_handed_over(home: StateDirectory) -> None:
    child = os.posix_spawn(PATIENT[0], PATIENT, os.environ)  # noqa: ASYNC221 - the server alone waits for it
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    server = ForkServer(home, child, ours)
    await server.start()
    assert server.settled
    theirs.send(b"no process id")
    program = Program(name="forked", command=PATIENT)
    with pytest.raises(ValueError, match="invalid literal"), (home.path / "output").open("wb") as output:
        await server.fork(ManagedProcess(program, home), output)
    assert not server.settled
    await server.stop()
    theirs.close()


async def test_a_signal_to_a_process_that_does_not_run_reaches_nobody(process: ManagedProcess) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()
    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, heard.put_nowait, 1)
    assert await process.kill(signal.SIGWINCH) == 0
    os.kill(os.getpid(), signal.SIGWINCH)  # so that one sent before has been handled, too
    async with asyncio.timeout(SECONDS):
        await heard.get()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGWINCH)
    assert heard.empty()
