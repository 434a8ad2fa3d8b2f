"""One TCP connection: bytes in and out, TLS, timeouts, closing. The session answers commands."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, cast

from varco_common.base import log
from varco_common.events import RefusedConnections
from varco_common.events.ban_table import normal_address
from varco_ingress_smtp.smtp import answers, limits
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.limits import Deadline
from varco_ingress_smtp.smtp.line_reader import LineReader
from varco_ingress_smtp.transaction import ListenerName, SessionInfo

LINGER_SECONDS = 5.0  # how long a last answer may take to leave

# Received bytes land here. All connections share it: the loop calls `buffer_updated` right after
# each read.
_RECEIVED = bytearray(262_144)
_VIEW = memoryview(_RECEIVED)

_log = log.get(__name__)


class Conversation(Protocol):
    """What answers over a connection. `converse` runs until one side closes."""

    async def converse(self) -> None: ...


class ClientConnection(asyncio.BufferedProtocol):
    """Received bytes wait in `reader`; `write` sends. `make_session` makes what answers."""

    def __init__(
        self,
        admission: Admission,
        listener: ListenerName,
        make_session: "Callable[[ClientConnection], Conversation]",
        host: str = "",
        *,
        is_health_check: bool = False,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.admission = admission
        self.info = SessionInfo(host=host, listener=listener, is_health_check=is_health_check)
        self.since = datetime.now(UTC)
        self.reader = LineReader()
        self.deadline = Deadline(self.loop, self._timed_out)
        self.timeout_answer = answers.TIMEOUT
        self.idle = False  # whether the session waits for a command
        self.writable: asyncio.Future[None] | None = None  # set while the client lets answers pile up
        self.transport: asyncio.Transport
        self._make_session = make_session
        self._task: asyncio.Task[None] | None = None
        self._admitted = False
        self._refused: RefusedConnections | None = None

    def admit(self) -> bool:
        """Whether the connection may stay. Call it before a TLS handshake costs CPU."""
        self._refused = self.admission.enter(self)
        self._admitted = self._refused is None
        return self._admitted

    def leave(self) -> None:
        """Frees the connection's place. A second call does nothing."""
        if self._admitted:
            self._admitted = False
            self.admission.leave(self)

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self.reader.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.info.host = self.info.host or peer_address(transport)
        if not self._admitted and not self.admit():
            self._turn_away()
            return
        self._note_tls()
        self._task = self.loop.create_task(self._run())

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        self.reader.feed(_VIEW[:nbytes])

    def eof_received(self) -> bool:
        """A client that stops sending still gets its answers.

        Over TLS the transport closes by itself.
        """
        self.reader.feed_eof()
        return not self.info.tls

    def pause_writing(self) -> None:
        self.writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.writable and not self.writable.done():
            self.writable.set_result(None)
        self.writable = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.leave()
        self.deadline.cancel()
        self.reader.feed_eof()
        self.resume_writing()
        if self._task:
            self._task.cancel()
        self.reader.buffer.clear()  # sessions are reference cycles: their memory is freed late

    # The session calls these

    @property
    def closing(self) -> bool:
        return self.transport.is_closing()

    def write(self, answer: str) -> None:
        """Sends an answer line. Await `writable` before the next one where that is set."""
        self.transport.write(answer.encode() + b"\r\n")

    async def start_tls(self) -> bool:
        """Starts TLS and forgets what the client sent before (RFC 3207 4.2). False if it failed."""
        info, certificates = self.info, self.admission.certificates
        try:
            transport = await self.loop.start_tls(
                self.transport,
                self,
                certificates.context,
                server_side=True,
                ssl_handshake_timeout=limits.HANDSHAKE_SECONDS,
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            _log.info("TLS handshake failed", host=info.host, error=str(error))
            return False
        if transport is None or self.reader.buffer:
            return False
        self.transport = transport
        self.reader.move_to(transport)
        self.info = SessionInfo(host=info.host, listener=info.listener, is_health_check=info.is_health_check)
        self._note_tls()
        return True

    def drain(self) -> None:
        """The process ends: 421 now, or after the mail under way (RFC 5321 3.8)."""
        if self.idle and not self.info.mail:
            self.send_last(answers.CLOSING)

    def send_last(self, answer: str) -> None:
        """Sends an answer and closes."""
        if not self.closing:
            self.write(answer)
            self.hang_up()

    def hang_up(self) -> None:
        """Closes when all answers are sent, at the latest after LINGER_SECONDS."""
        self.transport.close()
        self.deadline.within(LINGER_SECONDS)

    # Inside

    def _turn_away(self) -> None:
        answer = self._refusal() if self.info.listener != "smtps" else ""
        if answer:
            self.write(answer)
        elif self._refused is RefusedConnections.BANNED:
            self.transport.abort()
            return
        self.transport.close()

    def _refusal(self) -> str:
        """What is said in place of a greeting (RFC 5321 3.1); empty: nothing."""
        if self._refused is not RefusedConnections.BANNED:
            return answers.TOO_MANY_CONNECTIONS
        ban = self.admission.bans.ban_of(self.info.host)
        return f"554 5.7.1 {ban.text}" if ban and self.admission.settings.tell_banned else ""

    async def _run(self) -> None:
        try:
            self.deadline.within(limits.COMMAND_SECONDS)
            await self._make_session(self).converse()
        except (EOFError, ConnectionError):
            pass
        finally:
            self.leave()
            self.hang_up()

    def _note_tls(self) -> None:
        if connection := self.transport.get_extra_info("ssl_object"):
            self.info.tls = connection.version() or "TLS"
            self.info.server_name = self.admission.certificates.server_name(connection)

    def _timed_out(self) -> None:
        if self.closing:
            self.transport.abort()  # the client does not even take the last answer
        else:
            self.send_last(self.timeout_answer)


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The client's address."""
    name = transport.get_extra_info("peername")
    return normal_address(name[0]) if name else ""
