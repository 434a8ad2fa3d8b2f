"""One POP3 session: reads a line, runs its command, answers.

Ends at QUIT, on silence or when the client leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from varco_archive.mailboxes import Mailboxes
from varco_archive.pop3 import replies
from varco_archive.pop3.connection import MAX_COMMAND, MAX_LINE, LineTooLong, Pop3Connection
from varco_archive.pop3.maildrop import Maildrop
from varco_common.base import log
from varco_common.base.client_text import decode_client_text
from varco_common.base.errors import TransientError
from varco_common.events import AuthFailed
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.runtime.repeated_guesses import GuessDigest, RepeatedGuesses
from varco_common.runtime.tls import Certificates

MAX_ERRORS = 10
IDLE_SECONDS = 600.0  # for the next command, or for a client that does not read (RFC 1939 3)
LOGIN_IDLE_SECONDS = 60.0  # before the login: unknown hosts do not hold connections for long
MAX_SESSION_SECONDS = 6 * 3_600.0  # the mailbox is locked meanwhile, and expired copies stay in it
HANDSHAKE_SECONDS = 30.0

_LOGIN = (b"USER", b"PASS")
_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class SessionContext:
    """What all sessions share. `report` appends a failed login to EVENTS in the background."""

    mailboxes: Mailboxes
    throttle: LoginThrottle
    guesses: GuessDigest
    certificates: Certificates

    report: Callable[[AuthFailed], None]


class Pop3Command(NamedTuple):
    """`states` contains False if it is allowed before the login, True if after it."""

    run: Callable[["Pop3Session", str], Awaitable[None]]
    states: frozenset[bool]


class Pop3Session:
    """`listener` is pop3 or pop3s; `host` is the client's address."""

    def __init__(
        self,
        context: SessionContext,
        connection: Pop3Connection,
        commands: Mapping[bytes, Pop3Command],
        *,
        listener: str,
        host: str,
    ) -> None:
        self.context, self.connection, self.listener, self.host = context, connection, listener, host
        self._commands = commands
        self.login = ""  # the argument of USER
        self.guesses = RepeatedGuesses()
        self.maildrop: Maildrop | None = None  # set in the transaction state (RFC 1939 5)
        self.over = False
        self._errors = 0
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + MAX_SESSION_SECONDS

    @property
    def idle_seconds(self) -> float:
        return IDLE_SECONDS if self.maildrop else LOGIN_IDLE_SECONDS

    async def run(self) -> None:
        """Serves the client, then releases the mailbox. Only QUIT removes copies (RFC 1939 6)."""
        try:
            self.reply(replies.READY)
            while not self.over:
                await self.connection.drain(self.idle_seconds)
                await self._next_command()
        except (EOFError, ConnectionError):
            pass
        except TimeoutError:
            _log.info("POP3 client too slow", host=self.host)
        except LineTooLong:
            self.reply(replies.TOO_LONG)
        finally:
            await self.leave_maildrop(collected=bool(self.maildrop and self.maildrop.fetched))
            with suppress(OSError):
                self.connection.close()

    async def _next_command(self) -> None:
        """Runs one command, or ends the session at its deadline: its lock delays retention."""
        remaining = self._deadline - self._loop.time()
        try:
            line = await self.connection.read_line(min(self.idle_seconds, remaining))
        except TimeoutError:
            if self._loop.time() < self._deadline:
                raise
            line = b""
        if self._loop.time() >= self._deadline:
            self.reply(replies.TOO_LONG_A_SESSION)
            self.over = True
        else:
            await self._run_command(line)

    async def leave_maildrop(self, *, collected: bool) -> None:
        """Releases the mailbox, if it is not released yet.

        `collected`: the client has what it came for.
        """
        maildrop, mailboxes = self.maildrop, self.context.mailboxes
        if not maildrop or mailboxes.locks.holder(maildrop.account) is not self:
            return
        try:
            if collected:
                await mailboxes.collections.note(maildrop.account, self.host)
        finally:
            mailboxes.locks.release(maildrop.account, self)

    def close(self) -> None:
        """Ends the session at once, removing nothing: the mailbox or the service closes."""
        self.over = True
        self.connection.abort()

    def reply(self, text: str) -> None:
        self.connection.write(text.encode() + b"\r\n")

    def reject(self, text: str) -> None:
        """Sends an error reply. The session ends after MAX_ERRORS of them."""
        self._errors += 1
        self.reply(text)
        if self._errors >= MAX_ERRORS:
            self.reply(replies.TOO_MANY_ERRORS)
            self.over = True

    async def challenge(self) -> bytes:
        """Sends an empty SASL challenge and returns the client's response."""
        self.reply(replies.CHALLENGE)
        return await self.connection.read_line(self.idle_seconds)

    async def _run_command(self, line: bytes) -> None:
        word, _, argument = line.partition(b" ")
        command = self._commands.get(word.upper())
        if len(line) > (MAX_LINE if word.upper() == b"AUTH" else MAX_COMMAND):
            return self.reject(replies.TOO_LONG)
        if not command:
            return self.reject(replies.UNKNOWN)
        if bool(self.maildrop) not in command.states:
            return self.reject(replies.WRONG_STATE)
        try:
            text = decode_client_text(argument) if word.upper() in _LOGIN else argument.decode()
        except UnicodeDecodeError:
            return self.reject(replies.SYNTAX)
        try:
            await command.run(self, text)
        except (EOFError, ConnectionError, TimeoutError):
            raise
        except TransientError as error:
            _log.warning("POP3 command failed, client may retry", command=word.decode(), error=str(error))
            self.reply(replies.LATER)
        except Exception:  # noqa: BLE001 - a bug: the client may retry
            _log.exception("internal error")
            self.reply(replies.LATER)
        return None
