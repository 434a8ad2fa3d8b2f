"""The only door to outgoing SMTP: one connection to a next hop, over which mails go one after the other, pipelined."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import cast

from varco_common.base.errors import VarcoError
from varco_relay.smtp.pending_transaction import NextTransaction, PendingTransaction, Stage
from varco_relay.smtp.smtp_reply import NotSmtp, ReplyReader, SmtpReply
from varco_relay.smtp.transaction import Capabilities, Chunks, envelope_commands, obstacle

END = b".\r\n"


class ConnectionLost(Exception):
    """The connection ended, or was silent for too long; `said` tells why, in the next hop's words where it had any."""

    def __init__(self, why: str | SmtpReply) -> None:
        self.said = why if isinstance(why, SmtpReply) else SmtpReply(0, why)
        super().__init__(self.said.line)


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds. RFC 5321 4.5.3.2 has these as its minimum."""

    connect: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end: float = 600.0

    def scaled(self, factor: float) -> "Timeouts":
        return Timeouts(**{name: value * factor for name, value in vars(self).items()})


class SmtpClient(asyncio.Protocol):
    """One SMTP session as its client. Made by `dial`; not to be used by two tasks at once."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.able = Capabilities()
        self.tls = ""
        self.served = 0
        self.closed = False
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
        self._why = ""

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if tls := transport.get_extra_info("ssl_object"):
            self.tls = tls.version() or "TLS"

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.extend(self._reader.feed(data))
        except NotSmtp as error:
            self.abort(f"what the next hop says isn't SMTP: {error}")
            return
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._why = self._why or (str(error) if error else "the next hop closed the connection")
        if self._timer:
            self._timer.cancel()
        self._writable.set()
        self._wake()
        self.on_closed()

    # talking

    def write(self, *parts: bytes) -> None:
        """One write, whatever the number of parts."""
        self._transport.writelines(parts)

    async def reply(self, seconds: float) -> SmtpReply:
        """The next reply. Raises ConnectionLost, also after `seconds` without one."""
        while not self._replies:
            if self.closed:
                raise ConnectionLost(self._why)
            self._waiter = self._loop.create_future()
            self._watch(seconds)
            await self._waiter
        return self._replies.popleft()

    async def ask(self, line: bytes, seconds: float) -> SmtpReply:
        """One command and its reply."""
        self.write(line)
        return await self.reply(seconds)

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Goes on encrypted. Raises ConnectionLost: the line can't be used after a failed handshake."""
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

    async def quit(self) -> None:
        """Says goodbye, without waiting long for the answer (RFC 5321 4.1.1.10)."""
        with suppress(ConnectionLost):
            if not self.closed:
                await self.ask(b"QUIT\r\n", min(self.timeouts.command, 2.0))
        self.abort("quit")

    def abort(self, why: str) -> None:
        """Closes at once."""
        self._why = self._why or why
        if self._transport:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _watch(self, seconds: float) -> None:
        """One lazy timer for all deadlines of a connection: it costs something only when it fires."""
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._late)

    def _late(self) -> None:
        self._timer = None
        if not self._waiter or self._waiter.done():
            return
        if self._loop.time() >= self._deadline:
            self.abort("timed out")
        else:
            self._timer = self._loop.call_at(self._deadline, self._late)

    # mails

    async def carry(self, more: NextTransaction) -> None:
        """Sends all that `more` gives. Raises ConnectionLost: a job that isn't done then was lost with the connection.

        With PIPELINING (RFC 2920) the commands of a mail go in one write, together with the body of the one before.
        """
        following = self._next(more)
        if self.able.pipelining:
            self.write(*self._commands(following))
        while following:
            following = await (self._pipelined if self.able.pipelining else self._stepwise)(following, more)

    async def _pipelined(self, job: PendingTransaction, more: NextTransaction) -> PendingTransaction | None:
        """One mail whose commands were written already; returns the next, whose commands are written."""
        mail = await self.reply(self.timeouts.command)
        if mail.closing:
            raise ConnectionLost(mail)
        answers = [await self.reply(self.timeouts.command) for _ in job.parcel.recipients]
        data = await self.reply(self.timeouts.data)
        accepted = self._heard(job, mail, answers)
        if data.code == 354 and accepted:
            return await self._body(job, more)
        following = self._next(more) if not data.closing else None
        # RFC 2920 3.1: DATA may be let in though nobody was accepted, and then wants its end
        reset = END if data.code == 354 else b"RSET\r\n"
        if not data.closing:
            self.write(reset, *self._commands(following))
            await self.reply(self.timeouts.end)
        self._done(job, data)
        return following

    async def _stepwise(self, job: PendingTransaction, more: NextTransaction) -> PendingTransaction | None:
        """One mail, each command after the reply to the one before."""
        mail_from, *recipients, data = self._commands(job)
        mail = await self.ask(mail_from, self.timeouts.command)
        if mail.closing:
            raise ConnectionLost(mail)
        wanted = recipients if mail.positive else []
        answers = [await self.ask(line, self.timeouts.command) for line in wanted]
        last = (answers or [mail])[-1]
        if self._heard(job, mail, answers):
            last = await self.ask(data, self.timeouts.data)
            if last.code == 354:
                return await self._body(job, more)
        if not last.closing:
            await self.ask(b"RSET\r\n", self.timeouts.command)
        self._done(job, last)
        return self._next(more)

    async def _body(self, job: PendingTransaction, more: NextTransaction) -> PendingTransaction | None:
        """The body and its end; what follows is written with the end, never apart from it."""
        job.stage = Stage.BODY
        body = job.parcel.body
        last = body if isinstance(body, bytes) else await self._all_but_the_last(job, body)
        following = self._next(more) if self.able.pipelining else None
        self.write(last, END, *self._commands(following))
        await self._drained()
        final = await self.reply(self.timeouts.end)
        self._done(job, final)
        return following if self.able.pipelining else self._next(more)

    async def _all_but_the_last(self, job: PendingTransaction, body: Chunks) -> bytes:
        """Writes chunk after chunk, as fast as the next hop takes them; returns the last one, to go with the end."""
        last = b""
        try:
            async with aclosing(body()) as chunks:
                async for chunk in chunks:
                    if last:
                        self.write(last)
                        await self._drained()
                    last = chunk
        except VarcoError as error:  # no end of data was sent, so the next hop drops what it has
            self.abort("the body broke off")
            job.settle(SmtpReply(0, f"4.3.0 the body can't be read: {error}"), self.tls)
            raise ConnectionLost("the body broke off") from error
        return last

    def _heard(self, job: PendingTransaction, mail: SmtpReply, answers: list[SmtpReply]) -> bool:
        """Notes the refusals; whether anybody was accepted."""
        if not mail.positive:
            job.said.update(dict.fromkeys(job.parcel.recipients, mail))
            return False
        refused = {r: said for r, said in zip(job.parcel.recipients, answers, strict=True) if not said.positive}
        job.said.update(refused)
        return len(refused) < len(job.parcel.recipients)

    def _done(self, job: PendingTransaction, final: SmtpReply) -> None:
        self.served += 1
        if final.positive and final.code >= 300:  # 354 after the body, or for nobody: no answer to a mail
            final = SmtpReply(0, f"the next hop answered {final.line}")
        job.settle(final, self.tls)
        if final.closing:
            self.abort("the next hop closes: " + final.line)

    def _commands(self, job: PendingTransaction | None) -> list[bytes]:
        return envelope_commands(job.parcel, self.able) if job else []

    def _next(self, more: NextTransaction) -> PendingTransaction | None:
        """The next mail that this next hop can carry; those that it can't are answered here."""
        while not self.closed and (job := more()):
            if not (why := obstacle(job.parcel, self.able)):
                job.stage = Stage.ENVELOPE
                return job
            job.settle(why, self.tls)
        return None

    async def _drained(self) -> None:
        """Waits while the next hop takes no more; a block that takes too long ends the connection."""
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(self.timeouts.block):
                    await self._writable.wait()
            except TimeoutError:
                self.abort("timed out while the body was sent")
        if self.closed:
            raise ConnectionLost(self._why)
