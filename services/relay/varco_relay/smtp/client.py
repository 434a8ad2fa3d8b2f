"""The only SMTP client: one connection to a next hop, over which mails go pipelined."""

import _ssl
import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from varco_common.base import log
from varco_common.base.errors import TransientError, VarcoError
from varco_relay.seven_bit.conversion import seven_bit
from varco_relay.seven_bit.walker import NotConvertible
from varco_relay.smtp.pending_transaction import NextTransaction, PendingTransaction, Stage
from varco_relay.smtp.smtp_reply import NotSmtp, ReplyReader, SmtpReply
from varco_relay.smtp.tls_session import TlsFailure
from varco_relay.smtp.transaction import BodyChunks, Capabilities, Sign, envelope_commands, obstacle

_log = log.get(__name__)
END_OF_DATA = b".\r\n"
MAX_UNREAD_REPLIES = 512  # twice what the pipelined commands of two mails to 100 recipients each are answered
MAX_UNREAD_TEXT = 256 * 1024  # characters
_QUIT_SECONDS = 2.0  # the connection closes anyway: a slow answer to QUIT is not worth more


class ConnectionLost(Exception):
    """The connection ended or timed out.

    `reply` is the next hop's last word if it had one, else the gate's.
    """

    def __init__(self, reason: str | SmtpReply) -> None:
        self.reply = reason if isinstance(reason, SmtpReply) else SmtpReply(0, reason)
        super().__init__(self.reply.line)


class LoginDenied(ConnectionLost):
    """The next hop took the login, and then takes no mail from it."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """In seconds. RFC 5321 4.5.3.2 gives these as minimum."""

    connect: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end: float = 600.0

    def scaled(self, factor: float) -> "Timeouts":
        return Timeouts(**{name: value * factor for name, value in vars(self).items()})


class SmtpClient(asyncio.Protocol):
    """One SMTP session. A Dialer opens it; two tasks must not use it at once.

    `tls_failure` is what was tried before, and failed.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.capabilities = Capabilities()
        self.tls = ""
        self.completed = 0
        self.closed = False
        self.logged_in = False
        self.heard_at = 0.0
        self.tls_failure: TlsFailure | None = None
        self.own_address = self.peer_address = ""
        self.on_closed: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._reader = ReplyReader()
        self._replies: deque[SmtpReply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed_because = ""

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.own_address, self.peer_address = (
            str((transport.get_extra_info(name) or [""])[0]) for name in ("sockname", "peername")
        )
        if tls := transport.get_extra_info("ssl_object"):
            self.tls = tls.version() or "TLS"

    def data_received(self, data: bytes) -> None:
        if self._closed_because:  # nothing that arrives after an abort counts
            return
        self.heard_at = self._loop.time()
        try:
            self._replies.extend(self._reader.feed(data))
        except NotSmtp as error:
            self.abort(f"what the next hop says isn't SMTP: {error}")
            return
        if len(self._replies) > MAX_UNREAD_REPLIES or sum(len(reply.text) for reply in self._replies) > MAX_UNREAD_TEXT:
            self._replies.clear()
            self.abort("the next hop sends more replies than there were commands")
            return
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._closed_because = self._closed_because or (str(error) if error else "the next hop closed the connection")
        if self._timer:
            self._timer.cancel()
        self._writable.set()
        self._wake()
        self.on_closed()

    # Commands and replies

    def write(self, *parts: bytes) -> None:
        """Sends the parts in one write."""
        self._transport.writelines(parts)

    async def reply(self, seconds: float) -> SmtpReply:
        """The next reply. Raises ConnectionLost, also after `seconds` without one."""
        while not self._replies:
            if self.closed:
                raise ConnectionLost(self._closed_because)
            self._waiter = self._loop.create_future()
            self._set_deadline(seconds)
            await self._waiter
        return self._replies.popleft()

    async def command(self, line: bytes, seconds: float | None = None) -> SmtpReply:
        """Sends one command and returns its reply. Raises ConnectionLost."""
        self.write(line)
        return await self.reply(self.timeouts.command if seconds is None else seconds)

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Encrypts the connection.

        Raises ConnectionLost: after a failed handshake it cannot be used.
        """
        if self._replies or self._reader.pending:  # an answer from before the handshake was injected
            raise ConnectionLost("the next hop said more than it was asked before TLS")
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=max(self.timeouts.connect, 0.1),
            )
        except (OSError, ssl.SSLError) as error:
            raise ConnectionLost(f"TLS: {getattr(error, 'verify_message', '') or error}") from error
        if transport is None:
            raise ConnectionLost("TLS: the connection closed in the handshake")
        self.connection_made(transport)

    @property
    def certificate(self) -> bytes:
        """That of the next hop, in DER; empty without TLS."""
        tls = self._transport.get_extra_info("ssl_object")
        return (tls.getpeercert(True) or b"") if tls else b""

    def certificates(self) -> list[bytes]:
        """Those that the next hop presented, in DER, its own first."""
        chain = self._transport.get_extra_info("ssl_object")._sslobj.get_unverified_chain()  # noqa: SLF001 - public from 3.13 on
        return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in chain or ()]

    async def quit(self) -> None:
        """Sends QUIT and closes (RFC 5321 4.1.1.10)."""
        with suppress(ConnectionLost):
            if not self.closed:
                await self.command(b"QUIT\r\n", min(self.timeouts.command, _QUIT_SECONDS))
        self.abort("quit")

    def abort(self, reason: str) -> None:
        """Closes at once."""
        self._closed_because = self._closed_because or reason
        if self._transport:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_deadline(self, seconds: float) -> None:
        """All deadlines of a connection share one timer, since most replies come long before it."""
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._waiter or self._waiter.done():
            return
        if self._loop.time() >= self._deadline:
            self.abort("timed out")
        else:
            self._timer = self._loop.call_at(self._deadline, self._on_timer)

    # Transactions

    async def send_all(self, take_next: NextTransaction) -> None:
        """Sends transactions until `take_next` returns None. Raises ConnectionLost.

        A transaction that is not done then was lost with the connection. With PIPELINING (RFC 2920)
        the commands of a mail travel in one write, together with the body of the mail before it.
        """
        pending = await self._next(take_next)
        if self.capabilities.pipelining:
            self.write(*_commands(pending))
        while pending:
            pending = await self._send(pending, take_next)

    async def _send(self, pending: PendingTransaction, take_next: NextTransaction) -> PendingTransaction | None:
        """Sends one mail, returns the next. With PIPELINING commands are written ahead."""
        ahead = self.capabilities.pipelining
        mail_from, *recipients, data = pending.commands
        mail = await self._answer(mail_from, self.timeouts.command)
        if self.logged_in and mail.denies_login:
            raise LoginDenied(mail)
        if mail.closing:
            raise ConnectionLost(mail)
        answers: list[SmtpReply] = []
        for line in recipients if ahead or mail.positive else []:
            answers.append(await self._answer(line, self.timeouts.command))
            if answers[-1].closing:  # no other reply follows: this one is the answer to whoever has none yet
                _note_refusals(pending, mail, answers)
                self._complete(pending, answers[-1])
                return None
        accepted = _note_refusals(pending, mail, answers)
        last = await self._answer(data, self.timeouts.data) if ahead or accepted else [mail, *answers][-1]
        if last.code == 354 and accepted:
            return await self._send_body(pending, take_next)
        following = await self._next(take_next) if ahead and not last.closing else None
        if not last.closing:
            # RFC 2920 3.1: a next hop may accept DATA without a recipient, and waits for its end
            self.write(END_OF_DATA if last.code == 354 else b"RSET\r\n", *_commands(following))
            await self.reply(self.timeouts.end)
        self._complete(pending, last)
        return following if ahead else await self._next(take_next)

    async def _answer(self, line: bytes, seconds: float) -> SmtpReply:
        """The reply to a command of a mail, which with PIPELINING is written already."""
        return await (self.reply(seconds) if self.capabilities.pipelining else self.command(line, seconds))

    async def _send_body(self, pending: PendingTransaction, take_next: NextTransaction) -> PendingTransaction | None:
        """Sends the body; its end goes with the commands of the next mail, which it returns."""
        pending.stage = Stage.BODY
        body = pending.transaction.body
        last = body if isinstance(body, bytes) else await self._send_all_but_last(pending, body)
        following = await self._next(take_next) if self.capabilities.pipelining else None
        self.write(last, END_OF_DATA, *_commands(following))
        with suppress(ConnectionLost):  # a next hop may answer and close at once: its answer counts
            await self._drained()
        self._complete(pending, await self.reply(self.timeouts.end))
        return following if self.capabilities.pipelining else await self._next(take_next)

    async def _send_all_but_last(self, pending: PendingTransaction, body: BodyChunks) -> bytes:
        """Sends chunks as fast as the next hop reads; returns the last, to send with the end."""
        last = b""
        try:
            async with aclosing(body()) as chunks:
                async for chunk in chunks:
                    if last:
                        self.write(last)
                        await self._drained()
                    last = chunk
        except VarcoError as error:  # the next hop got no end of data, so it drops what it has
            self.abort("the body broke off")
            pending.complete(SmtpReply(0, f"4.3.0 the body can't be read: {error}", by_gate=True), self.tls)
            raise ConnectionLost("the body broke off") from error
        return last

    def _complete(self, pending: PendingTransaction, final: SmtpReply) -> None:
        self.completed += 1
        if final.positive and final.code >= 300:  # 354 after the body, or without recipients, answers no mail
            final = SmtpReply(0, f"the next hop answered {final.line}")
        pending.complete(final, self.tls, dsn=self.capabilities.dsn)
        if final.closing:
            self.abort("the next hop closes: " + final.line)

    async def _next(self, take_next: NextTransaction) -> PendingTransaction | None:
        """The next mail that this next hop can carry.

        Those that it cannot carry are refused here.
        """
        while not self.closed and (pending := take_next()):
            refusal = obstacle(pending.transaction, self.capabilities)
            if not refusal and pending.transaction.eight_bit and not self.capabilities.eight_bit:
                refusal = await _make_seven_bit(pending)
            if not refusal:
                if pending.transaction.sign:
                    await _sign(pending, pending.transaction.sign)
                pending.stage = Stage.ENVELOPE
                pending.commands = envelope_commands(pending.transaction, self.capabilities)
                return pending
            pending.complete(refusal, self.tls)
        return None

    async def _drained(self) -> None:
        """Waits until the next hop reads on. A block that takes too long ends the connection."""
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(self.timeouts.block):
                    await self._writable.wait()
            except TimeoutError:
                self.abort("timed out while the body was sent")
        if self.closed:
            raise ConnectionLost(self._early_refusal() or self._closed_because)

    def _early_refusal(self) -> SmtpReply | None:
        """What the next hop said when it ended the connection in the middle of a body."""
        return next((reply for reply in self._replies if reply.code >= 400), None)


async def _make_seven_bit(pending: PendingTransaction) -> SmtpReply | None:
    """Encodes the mail for a next hop without 8BITMIME (RFC 6152 3), or says why it cannot."""
    try:
        pending.transaction = await seven_bit(pending.transaction)
    except NotConvertible as error:
        text = "5.6.3 The next hop takes 7-bit messages only (no 8BITMIME), and this one has 8-bit characters"
        return SmtpReply(554, f"{text} that can't be encoded: {error}", by_gate=True)
    except VarcoError as error:
        return SmtpReply(0, f"4.3.0 the body can't be read: {error}", by_gate=True)
    return None


async def _sign(pending: PendingTransaction, sign: Sign) -> None:
    """Signs the bytes that leave, once.

    If they can't be read, the envelope still goes to the next hop: what it refuses bounces, and
    what it takes is deferred when the body is due. The mail never leaves unsigned for that.
    """
    try:
        pending.transaction = replace(await sign(pending.transaction), sign=None)
    except VarcoError as error:
        pending.transaction = replace(pending.transaction, sign=None, body=partial(_unreadable, error))
    except Exception as error:  # noqa: BLE001 - a mail that breaks the signer must not take the connection along
        _log.exception("a mail could not be signed")
        broken = TransientError(f"it could not be signed: {type(error).__name__}")
        pending.transaction = replace(pending.transaction, sign=None, body=partial(_unreadable, broken))


async def _unreadable(error: VarcoError) -> AsyncGenerator[bytes, None]:
    raise error
    yield b""


def _commands(pending: PendingTransaction | None) -> list[bytes]:
    return pending.commands if pending else []


def _note_refusals(pending: PendingTransaction, mail: SmtpReply, answers: list[SmtpReply]) -> bool:
    """Records the refusals of MAIL and RCPT. Returns whether any recipient was accepted.

    There are fewer answers than recipients when the next hop closes in between.
    """
    recipients = pending.transaction.recipients
    if not mail.positive:
        pending.replies.update(dict.fromkeys(recipients, mail))
        return False
    refused = {r: reply for r, reply in zip(recipients, answers, strict=False) if not reply.positive}
    pending.replies.update(refused)
    return len(refused) < len(recipients)
