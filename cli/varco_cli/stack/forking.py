"""The process that services are forked from, and the services as processes of it."""

import asyncio
import contextlib
import socket
import sys
from typing import IO

from varco_cli.stack.installed import ServiceDescription, decode_descriptions
from varco_cli.stack.process import FailedStart, ManagedProcess, Program
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.fork_server import MESSAGE_BYTES
from varco_common.base.forked_process import ForkConnection
from varco_common.base.linux_process import adopt_orphans
from varco_common.base.supervision import Process

FORK_SERVER = "forkserver"
AVAILABLE = sys.platform == "linux"
_TITLE = "(services are forked from this process)"  # for `ps`. Services put their names in this place


class ForkServer(ManagedProcess):
    """Keeps a process running that has imported all services.

    Services outlive it, because they are children of the supervisor. So it can be replaced at any
    time, which `varco restart` does: services that start from then on run the code that is
    installed then. Its pid file is written when everything is imported. `connection` is that to the
    child that runs already.
    """

    def __init__(self, home: StateDirectory, running: int = 0, connection: socket.socket | None = None) -> None:
        super().__init__(_program(home), home, running)
        self._inherited = connection
        loop = asyncio.get_running_loop()
        self._connection: asyncio.Future[ForkConnection] = loop.create_future()
        self._descriptions: asyncio.Future[list[ServiceDescription]] = loop.create_future()
        self._forking = asyncio.Lock()
        self._greeting: asyncio.Task[None] | None = None

    @property
    def settled(self) -> bool:
        return super().settled and self._connection.done() and self.connection.fileno() >= 0

    @property
    def connection(self) -> socket.socket:
        """Returns the connection to the server, once it has imported everything."""
        return self._connection.result().socket

    def keep_running(self) -> asyncio.Task[None]:
        adopt_orphans()
        return super().keep_running()

    async def stop(self) -> None:
        await super().stop()
        if self._greeting:
            await asyncio.wait([self._greeting])

    async def descriptions(self) -> list[ServiceDescription]:
        """Returns the services that are to run here.

        Raises FailedStart, with the last line of the error, where a service can't be imported.
        """
        return await self._descriptions

    async def fork(self, process: ManagedProcess, output: IO[bytes]) -> Process:
        """Starts services in one process. Waits while there is no fork server."""
        async with self._forking:
            while True:
                connection = await asyncio.shield(self._connection)
                try:
                    return await connection.fork(
                        process.name, process.program.command, process.environment, output.fileno()
                    )
                except ConnectionError:
                    self._disconnect(connection)
                except BaseException:
                    if connection.socket.fileno() < 0:
                        self._disconnect(connection)
                    raise

    def _take_over(self) -> Process | None:
        child = super()._take_over()
        if child and self._inherited:
            self._connection.set_result(ForkConnection(self._inherited))
            self._descriptions.set_result([])  # known to who started it
        return child

    async def _launch(self, output: IO[bytes]) -> Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            try:
                child = await self._execute(output, theirs.fileno())
            except BaseException:
                ours.close()
                raise
        self._greeting = asyncio.create_task(self._greet(child, ours))
        return child

    def _on_spawn(self, child: Process) -> None:
        """The pid file is written later: see `_greet`."""

    async def _greet(self, child: Process, connection: socket.socket) -> None:
        greeting = b""
        with contextlib.suppress(ConnectionError):
            greeting = await asyncio.get_running_loop().sock_recv(connection, MESSAGE_BYTES)
        if not greeting:
            connection.close()
            if not self._descriptions.done():
                self._descriptions.set_exception(FailedStart(f"a service can't be loaded: {self._last_line()}"))
            return
        if not self._descriptions.done():
            self._descriptions.set_result(decode_descriptions(greeting))
        self._connection.set_result(ForkConnection(connection))
        super()._on_spawn(child)

    def _on_exit(self, child: Process) -> None:
        super()._on_exit(child)
        if self._connection.done():
            self._disconnect(self._connection.result())

    def _disconnect(self, connection: ForkConnection) -> None:
        """Lets requests wait for the next fork server."""
        if self._connection.done() and self._connection.result() is connection:
            connection.close()
            self._connection = asyncio.get_running_loop().create_future()


class ForkedServices(ManagedProcess):
    """Keeps a process running that is forked from the fork server: one service or several."""

    def __init__(self, program: Program, home: StateDirectory, fork_server: ForkServer, running: int = 0) -> None:
        super().__init__(program, home, running)
        self._fork_server = fork_server

    async def _launch(self, output: IO[bytes]) -> Process:
        return await self._fork_server.fork(self, output)


def _program(home: StateDirectory) -> Program:
    return Program(
        name=FORK_SERVER,
        command=[sys.executable, "-m", "varco_cli.fork_server", _TITLE],
        environment={"VARCO_HOME": str(home.path)},
    )
