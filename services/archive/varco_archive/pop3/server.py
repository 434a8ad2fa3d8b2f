"""The POP3 ports: who connects gets a session, within bounds."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.body_reader import BodyReader
from varco_archive.copy_deletion import CopyDeletion
from varco_archive.copy_index import CopyIndex
from varco_archive.maildrop_locks import MaildropLocks
from varco_archive.model import CopySettings
from varco_archive.pop3 import replies
from varco_archive.pop3.commands import COMMANDS
from varco_archive.pop3.connection import MAX_LINE, Pop3Connection
from varco_archive.pop3.session import Pop3Session
from varco_archive.retention_sweeper import RetentionSweeper
from varco_archive.settings import Settings
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting
from varco_common.bus import Bus
from varco_common.events import AnyEvent, AuthFailed, HostBanned, LoginGuarded
from varco_common.events.ban_table import BanTable
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.tls import Certificates

BACKLOG = 256
# Seconds of silence, between probes, and their count: a client that is gone loses its mailbox in two minutes.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))

_log = log.get(__name__)


class Pop3Server:
    """What all sessions share. `state` and `by_login` give what is known of an account."""

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        index: CopyIndex,
        bodies: BodyReader,
        *,
        passwords: PasswordVerifier,
        removals: CopyDeletion,
        sweeper: RetentionSweeper,
        drops: MaildropLocks,
        bans: BanTable,
        state: Callable[[str], CopySettings | None],
        by_login: Callable[[str], CopySettings | None],
        certificates: Certificates,
    ) -> None:
        self.settings, self.index, self.bodies = settings, index, bodies
        self.passwords, self.removals, self.sweeper, self.drops = passwords, removals, sweeper, drops
        self.state, self.by_login, self.certificates = state, by_login, certificates
        self.bans = bans
        self.guard = LoginThrottle(settings.guard_interval.total_seconds(), settings.guard_waiting)
        self._bus = bus
        self._sessions: dict[Pop3Session, asyncio.Task[None] | None] = {}
        self._by_host: Counter[str] = Counter()
        self._saying: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Takes connections inside the block; sessions end with it, and remove nothing that QUIT didn't."""
        async with AsyncExitStack() as stack:
            for name in ("pop3", "pop3s"):
                if port := getattr(self.settings, f"{name}_port"):
                    server = await self._listen(name, port)
                    stack.callback(server.close)
            try:
                yield
            finally:
                for session, task in [*self._sessions.items()]:
                    session.close()
                    if task and not session.mailbox:  # it may wait for its turn to log in
                        task.cancel()
                tasks = [*filter(None, self._sessions.values()), *self._saying]
                await asyncio.gather(*tasks, return_exceptions=True)

    def heard(self, event: AnyEvent) -> None:
        """A host that is banned from now on loses its sessions; at a login that is guarded others wait for a turn."""
        if isinstance(event, LoginGuarded):
            self.guard.put(event)
        if not isinstance(event, HostBanned):
            return
        for session in [*self._sessions]:
            if session.host and self.bans.banned(session.host, datetime.now(UTC)):
                session.close()

    def append_in_background(self, event: AuthFailed) -> None:
        """Appended beside the session: a client hears of its failure whatever the bus does."""
        task = asyncio.create_task(self._say(event))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _say(self, event: AuthFailed) -> None:
        try:
            await self._bus.events.append(event)
        except TransientError as error:
            _log.warning("not said", subject=event.subject, error=str(error))

    async def _listen(self, name: str, port: int) -> asyncio.Server:
        settings = self.settings
        implicit = name == "pop3s"

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(name, reader, writer)

        try:
            return await asyncio.start_server(
                serve,
                settings.bind,
                port,
                limit=MAX_LINE,
                backlog=BACKLOG,
                ssl=self.certificates.context if implicit else None,
                ssl_handshake_timeout=settings.handshake_timeout.total_seconds() if implicit else None,
            )
        except OSError as error:
            why = f"a port that can be listened on at {settings.bind} ({error.strerror})"
            raise BrokenSetting(f"VARCO_{name.upper()}_PORT", port, why) from None

    async def _serve(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = _host(writer)
        if host and self.bans.banned(host, datetime.now(UTC)):
            writer.transport.abort()  # as the SMTP ports: not a word
            return
        if len(self._sessions) >= self.settings.max_connections or (
            self._by_host[host] >= self.settings.max_connections_per_host
        ):
            writer.write(replies.TOO_MANY.encode() + b"\r\n")
            writer.close()
            return
        _watch(writer)
        session = Pop3Session(self, Pop3Connection(reader, writer), name, host, COMMANDS)
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
    """As everyone writes it: IPv4 in its own form even on a socket for both kinds, without a zone."""
    name = writer.get_extra_info("peername")
    return str(name[0]).removeprefix("::ffff:").partition("%")[0] if name else ""


def _watch(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
