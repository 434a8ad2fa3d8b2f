"""Processes that are forked on request are children of the client, each with its own files."""

import asyncio
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from varco_common.base.forked_process import ForkConnection, ForkedProcess
from varco_common.base.linux_process import adopt_orphans
from varco_common.testing.waiting import eventually

SERVER = """
import os, signal, socket, sys
from varco_common.base import fork_server
what = fork_server.serve(socket.socket(fileno=0), b"hello")[-1]
print(what, os.environ.get("NAME"), os.environ.get("HOME"), os.getppid(), os.getpid() == os.getsid(0), flush=True)
if what == "exit 3":
    sys.exit(3)
if what == "wait":
    signal.pause()
"""


class Server:
    """A fork server, and the file that its processes write to."""

    def __init__(self, process: asyncio.subprocess.Process, ours: socket.socket, output: Path) -> None:
        self.process, self.socket, self.output = process, ours, output
        self.connection = ForkConnection(ours)

    async def fork(self, what: str) -> ForkedProcess:
        with self.output.open("ab") as output:
            return await self.connection.fork(f"to {what}", ["example", what], {"NAME": "value"}, output.fileno())

    async def written(self) -> list[str]:
        await eventually(lambda: self.output.read_text().endswith("\n"))
        return self.output.read_text().splitlines()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    adopt_orphans()
    with theirs:
        command = (sys.executable, "-c", SERVER, str(tmp_path))
        process = await asyncio.create_subprocess_exec(*command, stdin=theirs.fileno())
    assert await asyncio.get_running_loop().sock_recv(ours, 10) == b"hello"
    server = Server(process, ours, tmp_path / "output")
    yield server
    server.connection.close()
    await process.wait()


async def test_a_process_has_its_own_environment_output_and_session(server: Server) -> None:
    process = await server.fork("exit 3")
    assert await process.wait() == 3
    assert await server.written() == [f"exit 3 value None {os.getpid()} True"]


async def test_a_process_shows_its_name_and_its_arguments(server: Server) -> None:
    process = await server.fork("wait")
    await server.written()
    assert Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0") == b"example\0wait"
    assert Path(f"/proc/{process.pid}/comm").read_text() == "to wait\n"
    process.kill()
    await process.wait()


async def test_a_signal_is_its_exit_code(server: Server) -> None:
    process = await server.fork("wait")
    await server.written()
    process.terminate()
    assert await process.wait() == -signal.SIGTERM
    process.terminate()  # does nothing any more


async def test_a_process_outlives_its_fork_server(server: Server) -> None:
    process = await server.fork("wait")
    await server.written()
    server.process.kill()
    await server.process.wait()
    with pytest.raises(ConnectionError):
        await server.fork("exit 3")
    assert process.returncode is None
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_the_fork_server_ends_with_its_connection(server: Server) -> None:
    server.connection.close()
    assert await server.process.wait() == 0


@pytest.mark.parametrize("answered", [False, True])
async def test_a_process_that_its_client_does_not_know_ends_at_once(server: Server, answered: bool) -> None:
    """The client was cancelled after its request, and has read no answer."""
    forking = asyncio.create_task(server.fork("wait"))
    await asyncio.sleep(0)  # it has sent the request
    if answered:
        select.select([server.socket], [], [])
    forking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forking
    assert await server.process.wait() == 0
    of_this_server = str(server.output.parent).encode()
    await eventually(lambda: not [line for line in command_lines() if of_this_server in line])
    assert not server.output.read_text()


def command_lines() -> Iterator[bytes]:
    """Yields the command lines of all processes. A zombie has none."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()
