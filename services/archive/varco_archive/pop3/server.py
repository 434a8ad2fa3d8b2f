"""The POP3 listeners. Each connection becomes a session, within the limits of connections."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.pop3 import replies
from varco_archive.pop3.commands import COMMANDS
from varco_archive.pop3.connection import MAX_LINE, Pop3Connection
from varco_archive.pop3.session import HANDSHAKE_SECONDS, Pop3Session, SessionContext
from varco_archive.settings import Settings
from varco_common.base.settings import BrokenSetting
from varco_common.events import AnyEvent, HostBanned, LoginGuarded
from varco_common.events.ban_table import BanTable, address_of

BACKLOG = 256
# Idle seconds, seconds between probes, probes: a vanished client keeps its mailbox locked for two
# minutes.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class Pop3Server:
    """Listens on both ports and holds the open sessions. Banned hosts get no session."""

    def __init__(self, settings: Settings, context: SessionContext, bans: BanTable) -> None:
        self._settings, self._context, self.bans = settings, context, bans
        self._sessions: dict[Pop3Session, asyncio.Task[None] | None] = {}
        self._by_host: Counter[str] = Counter()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Accepts connections inside the block. Its end closes all sessions."""
        async with AsyncExitStack() as stack:
            for name in ("pop3", "pop3s"):
                if port := getattr(self._settings, f"{name}_port"):
                    server = await self._listen(name, port)
                    stack.callback(server.close)
            try:
                yield
            finally:
                for session, task in [*self._sessions.items()]:
                    session.close()
                    if task and not session.maildrop:  # it may wait in the login throttle
                        task.cancel()
                await asyncio.gather(*filter(None, self._sessions.values()), return_exceptions=True)

    def apply(self, event: AnyEvent) -> None:
        """Closes the sessions of a banned host; slows logins at a guarded mailbox."""
        if isinstance(event, LoginGuarded):
            self._context.throttle.add(event)
        if not isinstance(event, HostBanned):
            return
        for session in [*self._sessions]:
            if session.host and self.bans.banned(session.host, datetime.now(UTC)):
                session.close()

    async def _listen(self, name: str, port: int) -> asyncio.Server:
        implicit = name == "pop3s"

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(name, reader, writer)

        try:
            return await asyncio.start_server(
                serve,
                self._settings.bind,
                port,
                limit=MAX_LINE,
                backlog=BACKLOG,
                ssl=self._context.certificates.context if implicit else None,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if implicit else None,
            )
        except OSError as error:
            expected = f"a port that can be listened on at {self._settings.bind} ({error.strerror})"
            raise BrokenSetting(f"VARCO_{name.upper()}_PORT", port, expected) from None

    async def _serve(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = _host(writer)
        if host and self.bans.banned(host, datetime.now(UTC)):
            writer.transport.abort()  # without a reply, as at the SMTP ports
            return
        if len(self._sessions) >= self._settings.max_connections or (
            self._by_host[host] >= self._settings.max_connections_per_host
        ):
            writer.write(replies.TOO_MANY.encode() + b"\r\n")
            writer.close()
            return
        _enable_keepalive(writer)
        session = Pop3Session(self._context, Pop3Connection(reader, writer), COMMANDS, listener=name, host=host)
        self._sessions[session] = asyncio.current_task()
        self._by_host[host] += 1
        metrics.SESSIONS.set(len(self._sessions))
        try:
            await session.run()
        finally:
            del self._sessions[session]
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]
            metrics.SESSIONS.set(len(self._sessions))


def _host(writer: asyncio.StreamWriter) -> str:
    """The client's address: IPv4 in dotted form on a dual-stack socket, IPv6 without a zone."""
    peer = writer.get_extra_info("peername")
    return str(address_of(peer[0])) if peer else ""


def _enable_keepalive(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
