"""One POP3 session: a line, its verb, an answer; until QUIT, silence, or the client's end."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from varco_archive.pop3 import replies
from varco_archive.pop3.connection import MAX_COMMAND, MAX_LINE, LineTooLong, Pop3Connection
from varco_archive.pop3.maildrop import Maildrop
from varco_common.base import log
from varco_common.base.errors import TransientError

if TYPE_CHECKING:
    from varco_archive.pop3.commands import Pop3Command
    from varco_archive.pop3.server import Pop3Server

MAX_ERRORS = 10

_log = log.get(__name__)


class Pop3Session:
    """From connect to the end. `listener` is pop3 or pop3s; `host` is the client's address."""

    def __init__(
        self, server: "Pop3Server", wire: Pop3Connection, listener: str, host: str, verbs: "Mapping[bytes, Pop3Command]"
    ) -> None:
        self.server, self.wire, self.listener, self.host, self._verbs = server, wire, listener, host, verbs
        self.login = ""  # what USER said
        self.mailbox: Maildrop | None = None  # open: RFC 1939's transaction state
        self.errors = 0
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + server.settings.session.total_seconds()
        self.over = False

    @property
    def idle_seconds(self) -> float:
        """A stranger may be silent for a shorter time than whoever has logged in."""
        settings = self.server.settings
        return (settings.idle if self.mailbox else settings.login_idle).total_seconds()

    async def run(self) -> None:
        """Whatever happens, the mailbox is free again afterwards, and nothing is removed but by QUIT (RFC 1939 6)."""
        try:
            self.answer(replies.READY)
            while not self.over:
                await self.wire.drain(self.idle_seconds)
                await self._next()
        except (EOFError, ConnectionError):
            pass
        except TimeoutError:
            _log.info("POP3 client too slow", host=self.host)
        except LineTooLong:
            self.answer(replies.TOO_LONG)
        finally:
            if self.mailbox:
                self.server.drops.leave(self.mailbox.account, self)
            with suppress(OSError):
                self.wire.close()

    async def _next(self) -> None:
        """A command, or the end of the time that even a busy session has: its mailbox is locked, and what is due stays in it."""
        left = self._until - self._loop.time()
        try:
            line = await self.wire.line(min(self.idle_seconds, left))
        except TimeoutError:
            if self._loop.time() < self._until:
                raise
            line = b""
        if self._loop.time() >= self._until:
            self.answer(replies.TOO_LONG_A_SESSION)
            self.over = True
        else:
            await self._command(line)

    def close(self) -> None:
        """The mailbox is closed, or the service ends: at once, and nothing is removed."""
        self.over = True
        self.wire.abort()

    def answer(self, text: str) -> None:
        self.wire.say(text.encode() + b"\r\n")

    def fail(self, text: str) -> None:
        """An answer that counts as an error of the client."""
        self.errors += 1
        self.answer(text)
        if self.errors >= MAX_ERRORS:
            self.answer(replies.TOO_MANY_ERRORS)
            self.over = True

    async def ask(self) -> bytes:
        """What the client answers to an empty challenge."""
        self.wire.say(replies.ASK.encode() + b"\r\n")
        return await self.wire.line(self.idle_seconds)

    async def _command(self, line: bytes) -> None:
        word, _, argument = line.partition(b" ")
        verb = self._verbs.get(word.upper())
        if len(line) > (MAX_LINE if word.upper() == b"AUTH" else MAX_COMMAND):
            return self.fail(replies.TOO_LONG)
        if not verb:
            return self.fail(replies.UNKNOWN)
        if bool(self.mailbox) not in verb.states:
            return self.fail(replies.NOT_NOW)
        try:
            text = argument.decode()
        except UnicodeDecodeError:
            return self.fail(replies.SYNTAX)
        try:
            await verb.do(self, text)
        except (EOFError, ConnectionError, TimeoutError):
            raise
        except TransientError as error:
            _log.warning("POP3 command not carried out", command=verb.do.__name__, error=str(error))
            self.answer(replies.LATER)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - a bug: the client hears that it may try again, and nothing of it
            _log.exception("internal error")
            self.answer(replies.LATER)
        return None
