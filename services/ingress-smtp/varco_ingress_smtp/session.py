"""One SMTP session: aiosmtpd's class with its own line reader, verbs and answers. Each method is named after its verb."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Session as Greeted

from varco_common import log
from varco_common.events import AuthCause, AuthFailed
from varco_common.grants import Denied, LoginAsked, Unavailable
from varco_common.replies import Reply
from varco_ingress_smtp import answers, auth, commands, metrics
from varco_ingress_smtp.data import Endless
from varco_ingress_smtp.door import Door
from varco_ingress_smtp.limits import Admitted, Deadline, Pace
from varco_ingress_smtp.transaction import ListenerName, Transaction, Visitor
from varco_ingress_smtp.who import Granted
from varco_ingress_smtp.wire import Odd, Wire

BREATH = 50  # commands answered from the buffer before the other sessions get their turn
UNSENT = 65_536  # bytes that may wait to be sent before the session does
LINGER_SECONDS = 5.0  # how long a last answer may take to leave
MAX_LINE = auth.MAX_LINE

# What extensions add to a command's length: RFC 1870 3 (26), RFC 6152 2 (17), RFC 6531 3.4 (10), RFC 4954 5 (500).
_EXTRA = {b"MAIL": 553, b"RCPT": 500, b"AUTH": MAX_LINE}
_ODD = {Odd.TOO_LONG: answers.LINE_TOO_LONG, Odd.BARE_LINE_END: answers.BARE_LINE_END}

_log = log.get(__name__)


class Session(SMTP):
    """From connect to QUIT. aiosmtpd's own __init__ looks at every method for each connection; here that's done once."""

    _verbs: dict[bytes, Callable[["Session", str], Awaitable[None]]]

    def __init__(self, door: Door, listener: ListenerName, host: str = "", *, nobody: bool = False) -> None:
        loop = self.loop = asyncio.get_running_loop()
        self._wire = Wire(loop)
        asyncio.StreamReaderProtocol.__init__(self, self._wire, self._cb_client_connected, loop)
        self._door = door
        self._gate = door.gate
        self._settings = door.settings
        self._command_seconds = door.settings.command_timeout.total_seconds()
        self._deadline = Deadline(loop, self._late)
        self._timeout_handle = self._deadline  # type: ignore[assignment] # aiosmtpd only cancels it
        self._too_late = answers.TIMEOUT
        self._original_transport = None
        self.transport: Any = None
        self.session = None
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._errors = 0
        self._admitted = False
        self.idle = False
        self.since = datetime.now(UTC)
        self.visitor = Visitor(host=host, listener=listener, nobody=nobody)
        self.mail: Transaction | None = None

    # How it lives

    def admit(self) -> bool:
        """Whether the door lets it in; to be asked before a TLS handshake is paid for."""
        self._admitted = self._door.enter(self) is Admitted.YES
        return self._admitted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        visitor = self.visitor
        visitor.host = visitor.host or peer(transport)
        if not self._admitted and not self.admit():
            if visitor.listener != "smtps":
                cast(asyncio.WriteTransport, transport).write(answers.TOO_MANY_CONNECTIONS.encode() + b"\r\n")
            transport.close()
            return
        super().connection_made(transport)
        self._note_tls()

    def connection_lost(self, error: Exception | None) -> None:
        self.leave()
        if self.session is not None:  # else it was turned away
            super().connection_lost(error)

    def eof_received(self) -> bool:
        """A client that only stopped sending still gets its answers; over TLS the transport closes by itself."""
        self._wire.feed_eof()
        return not self.visitor.tls

    def leave(self) -> None:
        """Makes room at the door; does nothing the second time."""
        self._deadline.cancel()
        if self._admitted:
            self._admitted = False
            self._door.leave(self)

    def _create_session(self) -> Greeted:
        return Greeted(self.loop)

    def _create_envelope(self) -> None:  # type: ignore[override] # what aiosmtpd keeps there is our Transaction
        self.mail = None

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Aiosmtpd would make a timer for each command."""

    def _late(self) -> None:
        self._send_last(self._too_late)

    def drain(self) -> None:
        """The process ends: 421 now where nothing is under way (RFC 5321 3.8), else after the mail."""
        if self.idle and not self.mail:
            self._send_last(answers.CLOSING)

    def close(self) -> None:
        """421 at once."""
        self._send_last(answers.CLOSING)

    def _send_last(self, answer: str) -> None:
        if self.transport and not self.transport.is_closing():
            self.transport.write(answer.encode() + b"\r\n")
            self._close()

    def _close(self) -> None:
        """What was written still leaves, within bounds: a client that reads nothing holds nothing."""
        if self.transport:
            self.transport.close()
            self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    async def push(self, status: str) -> None:  # type: ignore[override] # never bytes
        self.transport.write(status.encode() + b"\r\n")
        if self.transport.get_write_buffer_size() > UNSENT:
            await self._writer.drain()

    async def _fail(self, answer: str) -> None:
        """An answer that counts as an error of the client."""
        self._errors += 1
        await self.push(answer)

    async def _handle_client(self) -> None:
        try:
            self._deadline.within(self._command_seconds)
            if self.visitor.listener == "smtps" and not self.visitor.tls and not await self._start_tls():
                return
            await self.push(f"220 {self._settings.hostname} ESMTP Varco")
            await self._converse()
        except (EOFError, ConnectionError):
            pass
        finally:
            self.leave()
            self._close()

    async def _converse(self) -> None:
        breath = 0
        while not self.transport.is_closing():
            if self._errors >= self._settings.max_errors:
                return await self.push(answers.TOO_MANY_ERRORS)
            if self._door.draining and not self.mail:
                return await self.push(answers.CLOSING)
            self._deadline.within(self._command_seconds)
            self.idle = True
            line = await self._wire.line(MAX_LINE)
            self.idle = False
            breath += 1
            if breath % BREATH == 0:
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

    async def _command(self, line: bytes | Odd) -> None:
        if isinstance(line, Odd):
            return await self._fail(_ODD[line])
        word, _, argument = line.partition(b" ")
        verb = word.upper()
        if len(line) + 2 > self._settings.max_command + _EXTRA.get(verb, 0):
            return await self._fail(answers.LINE_TOO_LONG)  # RFC 5321 4.5.3.1.4
        method = self._verbs.get(verb)
        if not method:
            return await self._fail(answers.UNKNOWN)
        try:
            text = argument.decode()
        except UnicodeDecodeError:
            return await self._fail(answers.NOT_TEXT)
        return await method(self, text.rstrip(" "))

    # The verbs

    async def smtp_EHLO(self, name: str) -> None:  # noqa: N802 - SMTP's verb, as all of them
        if not _is_name(name):
            return await self._fail(answers.HELO_SYNTAX)
        visitor = self.visitor
        visitor.helo, visitor.extended, self.mail = name, True, None
        return await self.push(self._door.ehlo(visitor))

    async def smtp_HELO(self, name: str) -> None:  # noqa: N802
        if not _is_name(name):
            return await self._fail(answers.HELO_SYNTAX)
        self.visitor.helo, self.visitor.extended, self.mail = name, False, None
        return await self.push(f"250 {self._settings.hostname}")

    async def smtp_STARTTLS(self, argument: str) -> None:  # noqa: N802
        if argument:
            return await self._fail(answers.NO_ARGUMENT)
        if self.visitor.tls:
            return await self._fail(answers.TLS_ALREADY)
        if self._wire.buffer:  # RFC 3207 6: what was said in the clear must not count inside
            return self._close()
        await self.push(answers.START_TLS)
        await self._start_tls()
        return None

    async def _start_tls(self) -> bool:
        seconds = self._settings.handshake_timeout.total_seconds()
        try:
            await self._writer.start_tls(self._door.certificates.context, ssl_handshake_timeout=seconds)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            _log.info("TLS handshake failed", host=self.visitor.host, error=str(error))
            return False
        if self.transport is None or self._wire.buffer:
            return False
        self.transport = self._writer.transport
        self._wire.moved(self.transport)
        self.visitor = Visitor(  # RFC 3207 4.2: nothing that was said before holds
            host=self.visitor.host, listener=self.visitor.listener, nobody=self.visitor.nobody
        )
        self.mail = None
        self._note_tls()
        return True

    def _note_tls(self) -> None:
        if connection := self.transport.get_extra_info("ssl_object"):
            self.visitor.tls = connection.version() or "TLS"
            self.visitor.server_name = self._door.certificates.server_name(connection)

    async def smtp_AUTH(self, argument: str) -> None:  # noqa: N802
        visitor = self.visitor
        mechanism, _, initial = argument.partition(" ")
        if not visitor.extended:
            return await self._fail(answers.HELO_FIRST)
        if visitor.login:
            return await self._fail(answers.LOGGED_IN_ALREADY)
        if self.mail:
            return await self._fail(answers.AUTH_IN_MAIL)  # RFC 4954 4
        if not visitor.tls:
            self._auth_failed(AuthCause.INSECURE_CHANNEL, auth.login_in(mechanism, initial))
            return await self._fail(Reply.INSECURE_AUTH.answer.line())
        return await self._log_in(mechanism, initial)

    async def _log_in(self, mechanism: str, initial: str) -> None:
        login, visitor = auth.login_in(mechanism, initial), self.visitor
        try:
            login, password = await auth.credentials(mechanism, initial, self._ask)
            asked = LoginAsked(login=login, password=password, host=visitor.host, server_name=visitor.server_name)
            answer = await self._door.who.login(asked)
        except auth.Unusable as error:
            return await self._fail(error.answer)
        except (EOFError, ConnectionError, asyncio.CancelledError):
            self._auth_failed(AuthCause.BROKEN_OFF, login)
            raise
        return await self._logged_in(login, answer)

    async def _ask(self, challenge: str) -> bytes:
        await self.push(challenge)
        line = await self._wire.line(MAX_LINE)
        if isinstance(line, Odd):
            raise auth.Unusable(_ODD[line])
        return line

    async def _logged_in(self, login: str, answer: Granted | Denied | Unavailable) -> None:
        match answer:
            case Granted():
                metrics.LOGINS.labels("ok").inc()
                self.visitor.login, self.visitor.granted = login, answer
                return await self.push(answers.LOGGED_IN)
            case Denied():
                self._auth_failed(AuthCause.WRONG_CREDENTIALS, login, answer.account)
                return await self._fail(Reply.WRONG_CREDENTIALS.answer.line())
            case Unavailable():
                metrics.LOGINS.labels("unavailable").inc()
                return await self.push(answers.LOGIN_UNAVAILABLE)

    def _auth_failed(self, cause: AuthCause, login: str, account: str = "") -> None:
        metrics.LOGINS.labels(cause.value).inc()
        visitor = self.visitor
        self._door.ledger.say_later(
            AuthFailed(
                at=datetime.now(UTC),
                host=visitor.host,
                login=login,
                cause=cause,
                account=account,
                listener=visitor.listener,
            )
        )

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802
        visitor = self.visitor
        if not visitor.helo:
            return await self._fail(answers.HELO_FIRST)
        if self.mail:
            return await self._fail(answers.NESTED_MAIL)
        path = commands.mail(argument)
        if isinstance(path, commands.Malformed):
            return await self._fail(answers.BAD_SENDER if path.address else answers.MAIL_SYNTAX)
        if path.parameters and not visitor.extended:
            return await self._fail(answers.UNKNOWN_PARAMETER)
        mail = await self._gate.mail(visitor, path)
        if isinstance(mail, str):
            return await self._refused(mail)
        self.mail = mail
        return await self.push(answers.SENDER_OK)

    async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802
        if not self.mail:
            return await self._fail(answers.MAIL_FIRST)
        path = commands.rcpt(argument)
        if isinstance(path, commands.Malformed):
            return await self._fail(answers.BAD_RECIPIENT if path.address else answers.RCPT_SYNTAX)
        return await self._refused(await self._gate.rcpt(self.visitor, self.mail, path))

    async def _refused(self, answer: str) -> None:
        """Permanent refusals are errors; what may go through later isn't."""
        await (self._fail(answer) if answer[0] == "5" else self.push(answer))

    async def smtp_DATA(self, argument: str) -> None:  # noqa: N802
        if argument:
            return await self._fail(answers.NO_ARGUMENT)
        if not self.mail:
            return await self._fail(answers.MAIL_FIRST)
        if not self.mail.recipients:
            return await self._fail(answers.RCPT_FIRST)
        if (
            self._wire.buffer
        ):  # RFC 2920 3.1: nothing follows DATA before 354; it would be a mail or commands, as you like
            await self.push(answers.EARLY_DATA)
            return self._close()
        mail = self.mail
        await self.push(answers.START_DATA)
        try:
            answer = await self._gate.data(self.visitor, mail, self._wire, self._pace())
        except Endless:
            return self._send_last(answers.NEVER_ENDING)
        finally:
            self.mail = None
            self._too_late = answers.TIMEOUT
        self.visitor.mails += 1
        return await self.push(answer)

    def _pace(self) -> Pace:
        settings = self._settings
        self._too_late = answers.TOO_SLOW
        return Pace(self._deadline, settings.data_grace.total_seconds(), settings.data_rate, self._command_seconds)

    async def smtp_RSET(self, argument: str) -> None:  # noqa: N802
        if argument:
            return await self._fail(answers.NO_ARGUMENT)
        self.mail = None
        return await self.push(answers.OK)

    async def smtp_NOOP(self, _: str) -> None:  # noqa: N802
        await self.push(answers.OK)

    async def smtp_VRFY(self, argument: str) -> None:  # noqa: N802
        await (self.push(answers.VRFY) if argument else self._fail(answers.VRFY_SYNTAX))

    async def smtp_EXPN(self, _: str) -> None:  # noqa: N802
        await self._fail(answers.NOT_IMPLEMENTED)

    async def smtp_HELP(self, _: str) -> None:  # noqa: N802
        await self.push(answers.HELP)

    async def smtp_PROXY(self, _: str) -> None:  # noqa: N802
        self._send_last(answers.PROXY_REFUSED)

    async def smtp_QUIT(self, argument: str) -> None:  # noqa: N802
        if argument:
            return await self._fail(answers.NO_ARGUMENT)
        return self._send_last(answers.BYE)


def _is_name(name: str) -> bool:
    """Any one word: many clients don't know their own name (RFC 5321 4.1.4 forbids to refuse them for it)."""
    return bool(name) and len(name) <= 255 and " " not in name and name.isprintable()


def peer(transport: asyncio.BaseTransport) -> str:
    """The client's address."""
    name = transport.get_extra_info("peername")
    return host_of(name[0]) if name else ""


def host_of(address: str) -> str:
    """As everyone writes it: IPv4 in its own form even on a socket for both kinds, without a zone."""
    return address.removeprefix("::ffff:").partition("%")[0]


# Once for the class and not for each connection.
Session._verbs = {  # noqa: SLF001
    name.removeprefix("smtp_").encode(): method for name, method in vars(Session).items() if name.startswith("smtp_")
}
