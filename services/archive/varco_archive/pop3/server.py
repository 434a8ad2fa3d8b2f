"""The POP3 listeners. Each connection becomes a session, within the limits of connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.pop3 import replies
from varco_archive.pop3.commands import COMMANDS
from varco_archive.pop3.connection import Pop3Connection
from varco_archive.pop3.session import HANDSHAKE_SECONDS, Pop3Session, SessionContext
from varco_archive.settings import Settings
from varco_common.base import log
from varco_common.base.tasks import run_in_background
from varco_common.events import AnyEvent, HostBanned, LoginGuarded
from varco_common.events.ban_table import BanTable
from varco_common.runtime.connection_limit import ConnectionLimit
from varco_common.runtime.proxy_protocol import client_of
from varco_common.runtime.uvicorn_server import bound_socket

MAX_CONNECTIONS, MAX_CONNECTIONS_PER_HOST = 1_000, 50  # an office behind one address collects by many clients
BACKLOG = 256
ACCEPT_RETRY_SECONDS = 0.5
# Idle seconds, seconds between probes, probes: a vanished client keeps its mailbox locked for two
# minutes.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))

_log = log.get(__name__)


class Pop3Server:
    """Listens on both ports and holds the open sessions. Banned hosts get no session.

    A connection is counted from when it is accepted, so that handshakes are bounded, too.
    """

    def __init__(self, settings: Settings, context: SessionContext, bans: BanTable) -> None:
        self._settings, self._context, self.bans = settings, context, bans
        self._sessions: dict[Pop3Session, asyncio.Task[None]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._limit = ConnectionLimit(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_HOST)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Accepts connections inside the block. Its end closes all sessions."""
        listeners = [
            (name, bound_socket(self._settings.bind, port, f"VARCO_{name.upper()}_PORT"))
            for name in ("pop3", "pop3s")
            if (port := getattr(self._settings, f"{name}_port"))
        ]
        for _, listener in listeners:
            listener.listen(BACKLOG)
            listener.setblocking(False)
        try:
            async with run_in_background(*(self._accept(name, listener) for name, listener in listeners)):
                yield
        finally:
            for _, listener in listeners:
                listener.close()
            await self._close_all()

    async def _close_all(self) -> None:
        for session in [*self._sessions]:
            session.close()
        in_maildrops = {task for session, task in self._sessions.items() if session.maildrop}
        for task in self._connections - in_maildrops:  # it may wait in the login throttle
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def apply(self, event: AnyEvent) -> None:
        """Closes the sessions of a banned host; slows logins at a guarded mailbox."""
        if isinstance(event, LoginGuarded):
            self._context.throttle.add(event)
        if not isinstance(event, HostBanned):
            return
        for session in [*self._sessions]:
            if session.host and self.bans.banned(session.host, datetime.now(UTC)):
                session.close()

    async def _accept(self, name: str, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:  # no file descriptor is left, or the client is gone
                _log.warning("a POP3 connection was not accepted", error=str(error))
                await asyncio.sleep(ACCEPT_RETRY_SECONDS)
                continue
            task = loop.create_task(self._open(name, connection, address[0]))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _open(self, name: str, connection: socket.socket, peer: str) -> None:
        """Serves a client that may connect, known by its own address behind a balancer, too."""
        try:
            client = await client_of(connection, peer, self._settings.pop3_balancer_networks)
        except BaseException:
            connection.close()
            raise
        if not client or self._is_refused(name, client.host, connection):
            connection.close()
            return
        try:
            await self._serve(name, client.host, connection)
        finally:
            self._limit.leave(client.host)

    def _is_refused(self, name: str, host: str, connection: socket.socket) -> bool:
        if ban := self.bans.banned(host, datetime.now(UTC)):
            if self._settings.tell_banned and name == "pop3":
                with suppress(OSError):
                    connection.send(f"{replies.BANNED} {ban.text}\r\n".encode())
                return True
            # RST, without a reply, as at the SMTP ports
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return True
        if not self._limit.enter(host):
            return False
        if name == "pop3":
            with suppress(OSError):
                connection.send(replies.TOO_MANY.encode() + b"\r\n")
        return True

    async def _serve(self, name: str, host: str, connection: socket.socket) -> None:
        _enable_keepalive(connection)
        context = self._context.certificates.context if name == "pop3s" else None
        try:
            opened = await Pop3Connection.open(connection, context, HANDSHAKE_SECONDS)
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            connection.close()
            return
        session = Pop3Session(self._context, opened, COMMANDS, listener=name, host=host)
        task = asyncio.current_task()
        assert task
        self._sessions[session] = task
        metrics.SESSIONS.set(len(self._sessions))
        try:
            await session.run()
        finally:
            if session.maildrop:
                self._limit.remember(host)
            del self._sessions[session]
            metrics.SESSIONS.set(len(self._sessions))


def _enable_keepalive(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
