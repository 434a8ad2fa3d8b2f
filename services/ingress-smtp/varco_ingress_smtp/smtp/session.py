"""One SMTP session: aiosmtpd's class with its own line reader, verbs (verbs.py) and answers."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Session as Greeted

from varco_common.base import log
from varco_common.events import RefusedConnections
from varco_ingress_smtp.smtp import answers, sasl
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.limits import Admitted, Deadline
from varco_ingress_smtp.smtp.line_reader import LineError, LineReader
from varco_ingress_smtp.smtp.verbs import VERBS
from varco_ingress_smtp.transaction import ListenerName, SessionInfo, Transaction

COMMANDS_PER_TURN = 50  # commands answered from the buffer before the other sessions get their turn
MAX_IDLE_COMMANDS = (
    100  # commands for each mail that bring none: beyond, each is an error (a flood of them keeps others waiting)
)
MAX_UNSENT = 65_536  # bytes that may wait to be sent before the session does
LINGER_SECONDS = 5.0  # how long a last answer may take to leave
MAX_LINE = sasl.MAX_LINE

# What extensions add to a command's length: RFC 1870 3 (26), RFC 6152 2 (17), RFC 6531 3.4 (10), RFC 4954 5 (500).
_EXTRA = {b"MAIL": 553, b"RCPT": 500, b"AUTH": MAX_LINE}
_TALK = frozenset({b"EHLO", b"HELO", b"RSET", b"NOOP", b"VRFY", b"HELP"})
_ODD = {LineError.TOO_LONG: answers.LINE_TOO_LONG, LineError.BARE_LINE_END: answers.BARE_LINE_END}

_log = log.get(__name__)


class SmtpSession(SMTP):
    """From connect to QUIT. aiosmtpd's own __init__ looks at every method for each connection; here that's done once."""

    def __init__(
        self, admission: Admission, listener: ListenerName, host: str = "", *, is_health_check: bool = False
    ) -> None:
        loop = self.loop = asyncio.get_running_loop()
        self.reader = LineReader(loop)
        asyncio.StreamReaderProtocol.__init__(self, self.reader, self._cb_client_connected, loop)
        self.admission = admission
        self._command_seconds = admission.settings.command_timeout.total_seconds()
        self.deadline = Deadline(loop, self._late)
        self._timeout_handle = self.deadline  # type: ignore[assignment] # aiosmtpd only cancels it
        self.too_late = answers.TIMEOUT
        self._original_transport = None
        self.transport: Any = None
        self.session = None
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._errors = 0
        self._talk = 0
        self._admitted = False
        self._refused: RefusedConnections | Admitted | None = None
        self.idle = False
        self.since = datetime.now(UTC)
        self.info = SessionInfo(host=host, listener=listener, is_health_check=is_health_check)
        self.mail: Transaction | None = None

    # How it lives

    def admit(self) -> bool:
        """Whether the door lets it in; to be asked before a TLS handshake is paid for."""
        self._refused = self.admission.enter(self)
        self._admitted = self._refused is Admitted.YES
        return self._admitted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        info = self.info
        info.host = info.host or peer(transport)
        if not self._admitted and not self.admit():
            if self._refused is RefusedConnections.BANNED:
                return cast(asyncio.Transport, transport).abort()
            if info.listener != "smtps":
                cast(asyncio.WriteTransport, transport).write(answers.TOO_MANY_CONNECTIONS.encode() + b"\r\n")
            return transport.close()
        super().connection_made(transport)
        self._note_tls()
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self.leave()
        self.deadline.cancel()
        if self.session is not None:  # else it was turned away
            super().connection_lost(error)
        self.reader.forget()

    def eof_received(self) -> bool:
        """A client that only stopped sending still gets its answers; over TLS the transport closes by itself."""
        self.reader.feed_eof()
        return not self.info.tls

    def leave(self) -> None:
        """Makes room at the door; does nothing the second time."""
        if self._admitted:
            self._admitted = False
            self.admission.leave(self)

    def _create_session(self) -> Greeted:
        return Greeted(self.loop)

    def _create_envelope(self) -> None:  # type: ignore[override] # what aiosmtpd keeps there is our Transaction
        self.mail = None

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Aiosmtpd would make a timer for each command."""

    def _late(self) -> None:
        if self.transport and self.transport.is_closing():
            self.transport.abort()  # it doesn't even take the last answer
        else:
            self.send_last(self.too_late)

    def drain(self) -> None:
        """The process ends: 421 now where nothing is under way (RFC 5321 3.8), else after the mail."""
        if self.idle and not self.mail:
            self.send_last(answers.CLOSING)

    def close(self) -> None:
        """421 at once."""
        self.send_last(answers.CLOSING)

    def ban(self) -> None:
        """421: the host was banned meanwhile."""
        self.send_last(answers.BANNED)

    def send_last(self, answer: str) -> None:
        if self.transport and not self.transport.is_closing():
            self.transport.write(answer.encode() + b"\r\n")
            self.hang_up()

    def hang_up(self) -> None:
        """What was written still leaves, within bounds: a client that reads nothing holds nothing."""
        if self.transport:
            self.transport.close()
            self.deadline.within(LINGER_SECONDS)

    async def push(self, status: str) -> None:  # type: ignore[override] # never bytes
        self.transport.write(status.encode() + b"\r\n")
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            await self._writer.drain()

    async def refuse(self, answer: str) -> None:
        """A permanent refusal is an error; what may go through later isn't, nor is a 250. 421 is the last word."""
        if answer.startswith("421"):
            return self.send_last(answer)
        return await (self.fail(answer) if answer[0] == "5" else self.push(answer))

    async def fail(self, answer: str) -> None:
        """An answer that counts as an error of the client."""
        self._errors += 1
        await self.push(answer)

    async def _handle_client(self) -> None:
        try:
            self.deadline.within(self._command_seconds)
            if self.info.listener == "smtps" and not self.info.tls and not await self.shake_hands():
                return
            await self.push(f"220 {self.admission.settings.hostname} ESMTP Varco")
            await self._converse()
        except (EOFError, ConnectionError):
            pass
        finally:
            self.leave()
            self.hang_up()

    async def _converse(self) -> None:
        breath = 0
        while not self.transport.is_closing():
            if self._errors >= self.admission.settings.max_errors:
                return await self.push(answers.TOO_MANY_ERRORS)
            if self.admission.draining and not self.mail:
                return await self.push(answers.CLOSING)
            self.deadline.within(self._command_seconds)
            self.idle = True
            line = await self.reader.line(MAX_LINE)
            self.idle = False
            breath += 1
            if breath % COMMANDS_PER_TURN == 0:
                await asyncio.sleep(0)
            try:
                await self._command(line)
            except (EOFError, ConnectionError):
                raise
            except Exception:  # noqa: BLE001 - a bug: the client hears that it may try again, and nothing of it
                _log.exception("internal error", mail=self.mail.id if self.mail else "")
                self.mail = None
                await self.push(answers.INTERNAL)
        return None

    async def _command(self, line: bytes | LineError) -> None:
        if isinstance(line, LineError):
            return await self.fail(_ODD[line])
        word, _, argument = line.partition(b" ")
        name = word.upper()
        if len(line) + 2 > self.admission.settings.max_command + _EXTRA.get(name, 0):
            return await self.fail(answers.LINE_TOO_LONG)  # RFC 5321 4.5.3.1.4
        verb = VERBS.get(name)
        if not verb:
            return await self.fail(answers.UNKNOWN)
        self._talk += name in _TALK
        if self._talk > MAX_IDLE_COMMANDS * (self.info.mails + 1):
            self._errors += 1
        try:
            text = argument.decode()
        except UnicodeDecodeError:
            return await self.fail(answers.NOT_TEXT)
        return await verb(self, text.rstrip(" "))

    async def start_tls(self) -> None:
        if not await self.shake_hands():
            self.hang_up()

    async def shake_hands(self) -> bool:
        """Whether the session goes on inside TLS."""
        seconds = self.admission.settings.handshake_timeout.total_seconds()
        try:
            await self._writer.start_tls(self.admission.certificates.context, ssl_handshake_timeout=seconds)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            _log.info("TLS handshake failed", host=self.info.host, error=str(error))
            return False
        if self.transport is None or self.reader.buffer:
            return False
        self.transport = self._writer.transport
        self.reader.moved(self.transport)
        self.info = SessionInfo(  # RFC 3207 4.2: nothing that was said before holds
            host=self.info.host, listener=self.info.listener, is_health_check=self.info.is_health_check
        )
        self.mail = None
        self._note_tls()
        return True

    def _note_tls(self) -> None:
        if connection := self.transport.get_extra_info("ssl_object"):
            self.info.tls = connection.version() or "TLS"
            self.info.server_name = self.admission.certificates.server_name(connection)

    async def ask(self, challenge: str) -> bytes:
        await self.push(challenge)
        line = await self.reader.line(MAX_LINE)
        if isinstance(line, LineError):
            raise sasl.SaslError(_ODD[line])
        return line


def peer(transport: asyncio.BaseTransport) -> str:
    """The client's address."""
    name = transport.get_extra_info("peername")
    return host_of(name[0]) if name else ""


def host_of(address: str) -> str:
    """As everyone writes it: IPv4 in its own form even on a socket for both kinds, without a zone."""
    return address.removeprefix("::ffff:").partition("%")[0]
