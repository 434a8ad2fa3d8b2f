"""One SMTP session: aiosmtpd's command handlers. Each verb returns the answer to the client."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from aiosmtpd.smtp import SMTP

from varco_common.base import log
from varco_common.mail.grants import Grant
from varco_ingress_smtp.smtp import answers, limits, path_parser, sasl
from varco_ingress_smtp.smtp.auth_verb import authenticate
from varco_ingress_smtp.smtp.body_reader import BodyOutOfSync, EndlessBody
from varco_ingress_smtp.smtp.connection import ClientConnection
from varco_ingress_smtp.smtp.limits import MinimumDataRate
from varco_ingress_smtp.smtp.line_reader import LineError
from varco_ingress_smtp.transaction import Transaction

# Commands without a mail, for each mail. Each further one is an error: a flood of them keeps other
# sessions waiting.
MAX_IDLE_COMMANDS = 100
COMMANDS_PER_TURN = 50  # commands answered from the buffer before the other sessions get their turn
MAX_COMMAND = 512  # bytes of a command line with its CRLF (RFC 5321 4.5.3.1.4)
MAX_LINE = sasl.MAX_LINE

# What extensions add to a command's length: RFC 1870 3 (26), RFC 6152 2 (17), RFC 6531 3.4 (10),
# RFC 4954 5 (500), RFC 3461 4.3 and 4.4 (118), RFC 8689 2 (11).
_EXTRA_LENGTH = {b"MAIL": 682, b"RCPT": 500, b"AUTH": MAX_LINE}
_LINE_ERRORS = {LineError.TOO_LONG: answers.LINE_TOO_LONG, LineError.BARE_LINE_END: answers.BARE_LINE_END}
_GREETINGS = (b"EHLO", b"HELO")
_MAX_NAME = 255  # characters (RFC 5321 4.5.3.1.2)
_LAST = ("421", "221")  # answers after which the connection closes

_log = log.get(__name__)
Verb = Callable[["SmtpSession", str], Coroutine[Any, Any, str]]
CommandHandler = Callable[["SmtpSession", str], Coroutine[Any, Any, None]]


def command(verb: Verb) -> CommandHandler:
    """Makes a command handler from a function that returns its answer; empty: already sent."""

    @wraps(verb)
    async def handle(session: "SmtpSession", argument: str) -> None:
        if answer := await verb(session, argument):
            await session.reply(answer)

    return handle


class NoNames:
    """Hides an object's names from `dir`.

    For each connection aiosmtpd's constructor searches all names for verbs and hooks, which took
    27 % of a short session. There are no hooks, so none can be missing; HANDLERS has the verbs.
    """

    def __dir__(self) -> list[str]:
        return []


_NO_HOOKS = NoNames()


class SmtpSession(NoNames, SMTP):
    """Command handlers by aiosmtpd's names, to which `converse` hands the lines of a connection.

    Aiosmtpd's own reading loop does not run: it accepts a bare LF as the end of a command, awaits
    each line of a body, and cannot tell what a client sent too early (ADR 12).
    """

    def __init__(self, connection: ClientConnection) -> None:
        hostname = connection.admission.settings.hostname
        super().__init__(_NO_HOOKS, hostname=hostname, loop=connection.loop)
        self.connection = connection
        self.admission = connection.admission
        self.error_count = 0
        self.idle_commands = 0

    async def converse(self) -> None:
        """Greets, and answers commands until one side closes.

        Raises EOFError and ConnectionError when the client is gone.
        """
        connection, reader = self.connection, self.connection.reader
        connection.write(f"220 {self.hostname} ESMTP Varco")
        count = 0
        while not connection.closing:
            if self.admission.draining and not connection.info.mail:
                connection.send_last(answers.CLOSING)
                return
            connection.deadline.within(limits.COMMAND_SECONDS)
            connection.idle = True
            line = await reader.line(MAX_LINE)
            connection.idle = False
            count += 1
            if count % COMMANDS_PER_TURN == 0:
                await asyncio.sleep(0)
            try:
                await self.handle(line)
            except (EOFError, ConnectionError):
                raise
            except Exception as error:  # noqa: BLE001 - a bug
                await self.push(await self.handle_exception(error))

    async def handle(self, line: bytes | LineError) -> None:
        """Answers one command line."""
        if line is LineError.BARE_LINE_END and self.connection.reader.bare_line and await self._repairs():
            line = self.connection.reader.bare_line
        if isinstance(line, LineError):
            return await self.reply(_LINE_ERRORS[line])
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if len(line) + 2 > MAX_COMMAND + _EXTRA_LENGTH.get(verb, 0):
            return await self.reply(answers.LINE_TOO_LONG)
        handler = HANDLERS.get(verb)
        if not handler:
            return await self.reply(answers.UNKNOWN)
        try:
            text = argument.decode()
        except UnicodeDecodeError:
            if verb not in _GREETINGS:
                return await self.reply(answers.NOT_TEXT)
            text = argument.decode("ascii", "replace")
        return await handler(self, text.rstrip(" "))

    async def _repairs(self) -> Grant | None:
        return await self.admission.pipeline.repairs(self.connection.info)

    # The verbs, by aiosmtpd's convention for names

    @command
    async def smtp_EHLO(self, name: str) -> str:
        if not name:
            return answers.HELO_SYNTAX
        self._greeted(name, extended=True)
        return self._extensions()

    @command
    async def smtp_HELO(self, name: str) -> str:
        if not name:
            return answers.HELO_SYNTAX
        self._greeted(name, extended=False)
        return f"250 {self.hostname}"

    def _greeted(self, name: str, *, extended: bool) -> None:
        info = self.connection.info
        info.helo, info.extended, info.mail = _clean_name(name), extended, None
        self.count_idle()

    def _extensions(self) -> str:
        """The answer to EHLO.

        AUTH is offered only inside TLS; SIZE is the account's if it is known.
        """
        info, max_size = self.connection.info, self.admission.settings.max_size
        if info.granted:
            max_size = min(max_size, info.granted.grant.max_size)
        last = ("AUTH PLAIN LOGIN" if not info.login else "HELP") if info.tls else "STARTTLS"
        require_tls = "250-REQUIRETLS\r\n" if self.admission.pipeline.offers_require_tls(info) else ""
        return (
            f"250-{self.hostname}\r\n250-PIPELINING\r\n250-SIZE {max_size}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
            f"250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n{require_tls}250 {last}"
        )

    @command
    async def smtp_STARTTLS(self, argument: str) -> str:
        connection = self.connection
        if argument:
            return answers.NO_ARGUMENT
        if connection.info.tls:
            return answers.TLS_ALREADY
        if connection.reader.buffer:  # RFC 3207 6: plaintext must not count inside TLS
            connection.hang_up()
            return ""
        await self.push(answers.START_TLS)
        if not await connection.start_tls():
            connection.hang_up()
        return ""

    @command
    async def smtp_AUTH(self, argument: str) -> str:
        answer = await authenticate(self.admission, self.connection.info, argument, self._ask)
        if answer == answers.LOGIN_UNAVAILABLE:
            self.error_count += 1  # a client may try only so often
        return answer

    async def _ask(self, challenge: str) -> bytes:
        await self.push(challenge)
        line = await self.connection.reader.line(MAX_LINE)
        if isinstance(line, LineError):
            raise sasl.SaslError(_LINE_ERRORS[line])
        return line

    @command
    async def smtp_MAIL(self, argument: str) -> str:
        info = self.connection.info
        if not info.helo:
            return answers.HELO_FIRST
        if info.mail:
            return answers.NESTED_MAIL
        path = path_parser.parse_mail(argument)
        if isinstance(path, path_parser.MalformedPath) and (grant := await self._repairs()):
            path = path_parser.parse_mail(path_parser.repaired_argument(argument, grant.domain))
        if isinstance(path, path_parser.MalformedPath):
            return answers.BAD_SENDER if path.address else answers.MAIL_SYNTAX
        if path.parameters and not info.extended:
            return answers.UNKNOWN_PARAMETER
        mail = await self.admission.pipeline.mail(info, path)
        if isinstance(mail, str):
            self.error_count += mail.startswith("450 ")  # a stopped login may try only so often
            return mail
        info.mail = mail
        return answers.SENDER_OK

    @command
    async def smtp_RCPT(self, argument: str) -> str:
        info = self.connection.info
        if not info.mail:
            return answers.MAIL_FIRST
        path = path_parser.parse_rcpt(argument)
        if isinstance(path, path_parser.MalformedPath) and (grant := await self._repairs()):
            path = path_parser.parse_rcpt(path_parser.repaired_argument(argument, grant.domain))
        if isinstance(path, path_parser.MalformedPath):
            return answers.BAD_RECIPIENT if path.address else answers.RCPT_SYNTAX
        return await self.admission.pipeline.rcpt(info, info.mail, path)

    @command
    async def smtp_DATA(self, argument: str) -> str:
        connection, mail = self.connection, self.connection.info.mail
        if argument:
            return answers.NO_ARGUMENT
        if not mail:
            return answers.MAIL_FIRST
        if not mail.recipients:
            return answers.RCPT_FIRST
        # RFC 2920 3.1: what follows DATA before 354 could be read as a mail or as commands.
        if connection.reader.buffer:
            connection.send_last(answers.EARLY_DATA)
            return ""
        await self.push(answers.START_DATA)
        return await self._body(mail)

    async def _body(self, mail: Transaction) -> str:
        connection = self.connection
        connection.timeout_answer = answers.TOO_SLOW
        try:
            answer = await self.admission.pipeline.data(connection.info, mail, connection.reader, self._data_rate())
        except EndlessBody:
            return answers.NEVER_ENDING
        except BodyOutOfSync:
            _log.exception("internal error", mail=mail.id)
            return answers.BROKEN_OFF
        finally:
            connection.info.mail, connection.timeout_answer = None, answers.TIMEOUT
        connection.info.mails += 1
        if answer.startswith("250"):
            self.admission.remember(connection.info.host)
        await self.push(answer)  # no `reply`: a refused mail is no error of the session
        return ""

    def _data_rate(self) -> MinimumDataRate:
        deadline = self.connection.deadline
        return MinimumDataRate(deadline, limits.DATA_GRACE_SECONDS, limits.MIN_DATA_RATE, limits.COMMAND_SECONDS)

    @command
    async def smtp_RSET(self, argument: str) -> str:
        self.count_idle()
        if argument:
            return answers.NO_ARGUMENT
        self.connection.info.mail = None
        return answers.OK

    @command
    async def smtp_NOOP(self, argument: str) -> str:  # noqa: ARG002 - it may have one (RFC 5321 4.1.1.9)
        self.count_idle()
        return answers.OK

    @command
    async def smtp_VRFY(self, argument: str) -> str:
        self.count_idle()
        return answers.VRFY if argument else answers.VRFY_SYNTAX

    @command
    async def smtp_EXPN(self, argument: str) -> str:  # noqa: ARG002
        return answers.NOT_IMPLEMENTED

    @command
    async def smtp_HELP(self, argument: str) -> str:  # noqa: ARG002
        self.count_idle()
        return answers.HELP

    @command
    async def smtp_PROXY(self, argument: str) -> str:  # noqa: ARG002
        """Only a listed balancer may send it, before the session begins."""
        self.connection.send_last(answers.PROXY_REFUSED)
        return ""

    @command
    async def smtp_QUIT(self, argument: str) -> str:
        return answers.NO_ARGUMENT if argument else answers.BYE

    # How answers leave

    async def push(self, status: str) -> None:  # type: ignore[override] # never bytes
        connection = self.connection
        connection.write(status)
        if connection.writable:
            await connection.writable

    async def reply(self, answer: str) -> None:
        """Sends an answer. A permanent refusal counts as an error; 421 and 221 close."""
        connection = self.connection
        if answer.startswith(_LAST):
            connection.send_last(answer)
            return
        connection.write(answer)
        if answer[0] == "5" or self.error_count:
            self.error_count += answer[0] == "5"
            if self.error_count >= limits.MAX_ERRORS:
                connection.send_last(answers.TOO_MANY_ERRORS)
        if connection.writable:
            await connection.writable

    def count_idle(self) -> None:
        """Counts a command without a mail. Beyond the limit each is an error."""
        self.idle_commands += 1
        self.error_count += self.idle_commands > MAX_IDLE_COMMANDS * (self.connection.info.mails + 1)

    async def handle_exception(self, error: Exception) -> str:
        """Logs a bug. The client only gets a temporary failure."""
        mail = self.connection.info.mail
        _log.error("internal error", mail=mail.id if mail else "", exc_info=error)
        self.connection.info.mail = None
        return answers.INTERNAL


HANDLERS: dict[bytes, CommandHandler] = {
    name.removeprefix("smtp_").encode(): handler
    for name, handler in vars(SmtpSession).items()
    if name.startswith("smtp_")
}


def _clean_name(name: str) -> str:
    """The client's name as one printable word: `HP LaserJet` becomes HP-LaserJet.

    RFC 5321 4.1.4 forbids to refuse a client for a wrong name, and Windows and printers send names
    in a charset of their own, of which only the ASCII letters are certain.
    """
    word = "-".join(name.split())[:_MAX_NAME] or "?"
    return "".join(sign if sign.isprintable() and sign != "\ufffd" else "?" for sign in word)
