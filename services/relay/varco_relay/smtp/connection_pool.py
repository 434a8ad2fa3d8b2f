"""The kept connections to one next hop, shared by all mails that go there; and whether it can be reached at all."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from varco_common.base import log
from varco_relay.smtp.client import ConnectionLost, SmtpClient
from varco_relay.smtp.dialer import Dialer, RouteDown, dial
from varco_relay.smtp.pending_transaction import Completed, NotAttempted, PendingTransaction, Result, Stage
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import BLACKHOLE, SmtpTarget, backoff
from varco_relay.smtp.transaction import Capabilities, Transaction

LOST_CONNECTIONS_UNTIL_DOWN = (
    3  # new connections in a row that are lost before any mail was answered: then it's the route, not the mails
)

_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """`connections` at once; one more is opened when a mail has waited `patience` seconds, and closed after `idle`."""

    connections: int = 4
    patience: float = 0.02
    idle: float = 30.0
    first_backoff: float = 2.0
    longest_backoff: float = 300.0
    growth_pause: float = 10.0  # after the next hop refused one more connection


class PoolListener(Protocol):
    """An account whose mail goes through a lane: it hears what the next hop can carry, and when it goes and comes."""

    def learned(self, host: str, able: Capabilities) -> None: ...
    def failed(self, host: str, why: str) -> None: ...
    def recovered(self) -> None: ...


@dataclass(slots=True, eq=False)
class _PooledConnection:
    """One connection's place in the lane, from before it is dialled."""

    connection: SmtpClient | None = None
    taken: list[PendingTransaction] = field(default_factory=list)


class ConnectionPool:
    """Mails wait in one queue, and connections take them from it: the more wait, the more are sent in one write."""

    def __init__(self, target: SmtpTarget, greeter: Dialer, limits: PoolLimits) -> None:
        self.target = target
        self.name = target.name
        self.able: Capabilities | None = None
        self.why = ""
        self.listeners: set[PoolListener] = set()
        self._greeter, self._limits = greeter, limits
        self._queue: deque[PendingTransaction] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._lines: dict[asyncio.Task[None], _PooledConnection] = {}
        self._probe: asyncio.Task[None] | None = None
        self._grower: asyncio.TimerHandle | None = None
        self._strikes = 0
        self._failures = 0
        self._no_growth_until = 0.0

    @property
    def down(self) -> bool:
        return bool(self.why)

    @property
    def connections(self) -> int:
        return sum(line.connection is not None for line in self._lines.values())

    async def send(self, parcel: Transaction) -> Result:
        """One attempt; returns when every recipient has an answer, or at once while the route is down."""
        if self.down:
            return NotAttempted(why=self.why)
        job = PendingTransaction(parcel, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        self._stir()
        return await job.done

    async def close(self) -> None:
        """Ends all connections; what isn't answered yet is Unreachable."""
        tasks = [*self._lines, *([self._probe] if self._probe else [])]
        unanswered = [job for line in self._lines.values() for job in line.taken]
        self.why = "the lane is closed"
        if self._grower:
            self._grower.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._turn_away(self.why)
        for job in unanswered:
            job.finish(NotAttempted(why=self.why))

    def _stir(self) -> None:
        """Somebody must take the mail that has come: an idle connection, or a new one where that takes too long."""
        while self._idle:
            if not (waiter := self._idle.pop()).done():
                waiter.set_result(None)
                return
        if not self._lines:
            self._open()
        elif self._grower is None and len(self._lines) < self._limits.connections:
            self._grower = asyncio.get_running_loop().call_later(self._limits.patience, self._grow)

    def _grow(self) -> None:
        self._grower = None
        opening = any(line.connection is None for line in self._lines.values())
        allowed = asyncio.get_running_loop().time() >= self._no_growth_until
        if self._queue and allowed and not self.down and not opening and len(self._lines) < self._limits.connections:
            self._open()

    def _open(self, connection: SmtpClient | None = None) -> None:
        line = _PooledConnection(connection)
        task = asyncio.create_task(self._work(line), name=f"smtp {self.name}")
        self._lines[task] = line
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        line = self._lines.pop(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("a connection's task crashed", next_hop=self.name, exc_info=error)
            for job in line.taken:
                job.settle(SmtpReply(0, "4.3.0 internal error"))
        if self._queue and not self.down and not task.cancelled():
            self._stir()

    async def _work(self, line: _PooledConnection) -> None:
        try:
            line.connection = connection = line.connection or await dial(self.target, self._greeter)
        except RouteDown as error:
            return self._fail(str(error), line)
        self._hello(connection.able)
        try:
            while await self._wanted(connection):
                await connection.carry(self._more(line))
                self._strikes = self._failures = 0
            await connection.quit()
        except ConnectionLost as error:
            self._lost(line, connection, error.said)
        finally:
            connection.abort("the lane lets it go")

    def _more(self, line: _PooledConnection) -> Callable[[], PendingTransaction | None]:
        def more() -> PendingTransaction | None:
            line.taken = [job for job in line.taken if not job.done.done()]
            while self._queue:
                if not (job := self._queue.popleft()).done.done():
                    line.taken.append(job)
                    return job
            return None

        return more

    async def _wanted(self, connection: SmtpClient) -> bool:
        """Waits for mail; false when none came in time, or when the next hop has closed the connection meanwhile."""
        if self._queue or connection.closed:
            return not connection.closed
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connection.on_closed = lambda: _wake(waiter)
        self._idle.append(waiter)
        try:
            async with asyncio.timeout(self._limits.idle):
                await waiter
        except TimeoutError:
            return False
        finally:
            if waiter in self._idle:
                self._idle.remove(waiter)
        return not connection.closed

    def _hello(self, able: Capabilities) -> None:
        self.able = able
        for listener in self.listeners:
            listener.learned(self.name, able)

    def _lost(self, line: _PooledConnection, connection: SmtpClient, said: SmtpReply) -> None:
        """The mail that was being sent is deferred; those that were only announced go over another connection."""
        lost = [job for job in line.taken if not job.done.done()]
        accused = lost[0] if lost and (lost[0].stage is Stage.BODY or not connection.served) else None
        for job in reversed(lost):
            if job is accused:
                job.settle(_reason(job, said), connection.tls)
            else:
                job.stage = Stage.WAITING
                job.said.clear()
                self._queue.appendleft(job)
        self._strikes = 0 if connection.served else self._strikes + 1
        if connection.served:
            self._failures = 0
        elif accused and (said.closing or self._strikes >= LOST_CONNECTIONS_UNTIL_DOWN):
            self._fail(said.line, line)

    def _fail(self, why: str, line: _PooledConnection) -> None:
        """Down, unless another connection still works: then the next hop only wants no more of them."""
        if self.down:
            return
        if any(other.connection for other in self._lines.values() if other is not line):
            self._no_growth_until = asyncio.get_running_loop().time() + self._limits.growth_pause
            return
        self.why = why
        self._failures += 1
        _log.warning("the next hop is down", next_hop=self.name, why=why)
        self._turn_away(why)
        self._probe = asyncio.create_task(self._until_up(), name=f"probe {self.name}")
        for listener in self.listeners:
            listener.failed(self.name, why)

    def _turn_away(self, why: str) -> None:
        while self._queue:
            self._queue.popleft().finish(NotAttempted(why=why))

    async def _until_up(self) -> None:
        while True:
            limits = self._limits
            await asyncio.sleep(
                backoff(self._failures, random.random(), limits.first_backoff, limits.longest_backoff)  # noqa: S311 - jitter
            )
            try:
                connection = await dial(self.target, self._greeter)
            except RouteDown as error:
                self.why = str(error)
                self._failures += 1
            else:
                break
        _log.info("the next hop is back", next_hop=self.name)
        self.why, self._probe = "", None
        self._open(connection)
        for listener in self.listeners:
            listener.recovered()


class BlackholeSink:
    """A lane that takes everything and sends nothing."""

    name: str = BLACKHOLE
    able = Capabilities(eight_bit=True, smtputf8=True)
    down = False
    why = ""
    connections = 0

    async def send(self, parcel: Transaction) -> Result:
        return Completed(said=dict.fromkeys(parcel.recipients, SmtpReply(250, "2.0.0 Ok: blackhole")))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _reason(job: PendingTransaction, said: SmtpReply) -> SmtpReply:
    if said.code:
        return said
    where = "while the body was sent, or after it" if job.stage is Stage.BODY else "before the body"
    return SmtpReply(0, f"4.4.2 connection lost {where}: {said.text}")
