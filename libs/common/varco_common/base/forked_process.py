"""Processes from a fork server: the client's side, in an event loop."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping, Sequence

import msgspec

from varco_common.base.fork_server import MESSAGE_BYTES, ForkRequest

UNKNOWN_EXIT_CODE = 255  # as asyncio has it


class ForkedProcess:
    """A child that this process has adopted. It is used like an asyncio.subprocess.Process.

    Raises ProcessLookupError if there is no such process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._on_end)

    async def wait(self) -> int:
        """Returns the exit code; the negative number of the signal that has ended the process."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        try:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:  # it was never adopted, so its parent has the exit code
            self.returncode = UNKNOWN_EXIT_CODE
        self._ended.set()


class ForkConnection:
    """The connection to a fork server that has sent its greeting. Requests must not overlap."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    async def fork(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], output: int
    ) -> ForkedProcess:
        """Returns a new process. Its standard output and error are the file descriptor `output`.

        Raises ConnectionError where the server is gone. Then it has left no process.
        """
        known, know = os.pipe()
        try:
            request = ForkRequest(name=name, arguments=[*arguments], environment={**environment}, parent=os.getpid())
            pid = await self._request(request, [output, known])
            process = ForkedProcess(pid)
            os.write(know, b"1")
        except BaseException:
            self.close()  # the answer would be taken for that to the next request
            raise
        finally:
            os.close(known)
            os.close(know)
        return process

    async def _request(self, request: ForkRequest, files: list[int]) -> int:
        socket.send_fds(self.socket, [msgspec.json.encode(request)], files)
        answer = await asyncio.get_running_loop().sock_recv(self.socket, MESSAGE_BYTES)
        if not answer:
            raise ConnectionResetError("the fork server is gone")
        return int(answer)

    def close(self) -> None:
        """Ends the fork server, and none of its processes."""
        self.socket.close()
