"""The connections to one next hop, shared by all mail that goes there; and whether it is up."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from varco_common.base import log
from varco_common.base.tasks import ended
from varco_relay.decide.retry_schedule import Backoff
from varco_relay.route_document import BLACKHOLE
from varco_relay.smtp.client import ConnectionLost, LoginDenied, SmtpClient
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.smtp.pending_transaction import Completed, NotAttempted, PendingTransaction, Result, Stage
from varco_relay.smtp.smtp_reply import MAX_TEXT, SmtpReply
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.tls_session import SessionLog, TlsFailure
from varco_relay.smtp.transaction import Capabilities, SmtpTransaction

RECONNECT = Backoff(first=timedelta(seconds=2), longest=timedelta(minutes=5))  # a short restart costs seconds
LOST_CONNECTIONS_UNTIL_DOWN = 3  # new ones in a row, each lost before a mail was answered: not the mails' fault

_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """At most `connections` at once. Times in seconds.

    One more is opened when a mail has waited for `growth_delay`, and closed after `idle`. After the
    next hop refused one more, the pool does not grow for `growth_pause`. `reconnect` has the delays
    before a next hop that is down is dialled again; `lazy` ones are dialled for the next mail only.
    """

    connections: int = 4
    growth_delay: float = 0.02
    growth_pause: float = 10.0
    idle: float = 30.0
    reconnect: Backoff = field(default_factory=lambda: RECONNECT)
    lazy: bool = False


class PoolListener(Protocol):
    """An account whose mail goes through a pool: told what the next hop offers, and if it is up."""

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None: ...
    def on_down(self, host: str, reason: str) -> None: ...
    def on_recovered(self) -> None: ...


@dataclass(slots=True, eq=False)
class _PooledConnection:
    """A connection's place in the pool, from before it is dialled, and the mails that it took."""

    client: SmtpClient | None = None
    taken: list[PendingTransaction] = field(default_factory=list)

    def unfinished(self) -> list[PendingTransaction]:
        return [pending for pending in self.taken if not pending.done]


class ConnectionPool:
    """Mails wait in one queue, and connections take them from it.

    The longer the queue is, the more mails go in one write. `down_reason` is empty while the next
    hop can be reached. `label` names it in metrics. `is_stalled`: a mail lost its patience, and
    nothing has moved since. `sessions` is told of each connection.
    """

    def __init__(self, target: SmtpTarget, dialer: Dialer, limits: PoolLimits) -> None:
        self.target = target
        self.name = self.label = target.name
        self.capabilities: Capabilities | None = None
        self.down_reason = ""
        self.is_stalled = False
        self.listeners: set[PoolListener] = set()
        self.sessions: SessionLog | None = None
        self._dialer, self._limits = dialer, limits
        self._queue: deque[PendingTransaction] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._connections: dict[asyncio.Task[None], _PooledConnection] = {}
        self._reconnecting: asyncio.Task[None] | None = None
        self._grower: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._lost_in_a_row = 0
        self._failures = 0
        self._no_growth_until = 0.0

    @property
    def connections(self) -> int:
        return sum(connection.client is not None for connection in self._connections.values())

    @property
    def is_open(self) -> bool:
        """Whether a connection is open or dialled."""
        return bool(self._connections)

    @property
    def is_idle(self) -> bool:
        """Whether it can be forgotten: it has no connection, and nothing is known against it."""
        return not (self._connections or self._queue or self.down_reason)

    async def send(self, transaction: SmtpTransaction, patience: float = 0.0) -> Result:
        """One attempt.

        Returns when every recipient has a reply, or at once while the next hop is down. With
        `patience` (seconds) also when no connection took the mail in that time.
        """
        if self.down_reason:
            return NotAttempted(reason=self.down_reason)
        loop = asyncio.get_running_loop()
        pending = PendingTransaction(transaction, loop.create_future())
        self._queue.append(pending)
        self._find_connection()
        if not patience:
            return await pending.result
        timer = loop.call_later(patience, self._give_back, pending, patience)
        try:
            return await pending.result
        finally:
            timer.cancel()

    @property
    def load(self) -> int:
        """How many mails it has in hand."""
        return len(self._queue) + sum(len(connection.unfinished()) for connection in self._connections.values())

    def retire(self) -> None:
        """Accepts no more mail. Mails that are being sent end; those that wait are NotAttempted."""
        self.down_reason = "the connections to the next hop are closed"
        for timer in (self._grower, self._pause, self._reconnecting):
            if timer:
                timer.cancel()
        self._reject_queue()
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)

    async def close(self) -> None:
        """Ends all connections at once. Mails without a reply are NotAttempted."""
        unfinished = [pending for connection in self._connections.values() for pending in connection.unfinished()]
        self.retire()
        await ended(*self._connections, *([self._reconnecting] if self._reconnecting else []))
        self._queue.extend(unfinished)
        self._reject_queue()

    def _give_back(self, pending: PendingTransaction, patience: float) -> None:
        """A mail that no connection took goes elsewhere, and so does the next one.

        One whose commands get no answer takes its connection down, unless the body is on its way:
        then the next hop may have it.
        """
        if pending.stage is Stage.WAITING and pending in self._queue:
            self._queue.remove(pending)
            self.is_stalled = True
            pending.finish(NotAttempted(reason=f"it took no mail within {patience:.0f} s"))
        elif pending.stage is Stage.ENVELOPE and (client := self._client_of(pending)):
            silent = asyncio.get_running_loop().time() - client.heard_at
            if silent >= patience:
                client.abort(f"no answer within {patience:.0f} s")

    def _client_of(self, pending: PendingTransaction) -> SmtpClient | None:
        return next((each.client for each in self._connections.values() if pending in each.taken), None)

    # Connections

    def _find_connection(self) -> None:
        """Wakes an idle connection for a new mail, or opens one more if none takes it soon."""
        while self._idle:
            if not (waiter := self._idle.pop()).done():
                waiter.set_result(None)
                return
        if not self._connections:
            self._open()
        elif self._grower is None and len(self._connections) < self._limits.connections:
            self._grower = asyncio.get_running_loop().call_later(self._limits.growth_delay, self._grow)

    def _grow(self) -> None:
        self._grower = None
        dialling = any(connection.client is None for connection in self._connections.values())
        paused = asyncio.get_running_loop().time() < self._no_growth_until
        full = len(self._connections) >= self._limits.connections
        if self._queue and not (self.down_reason or dialling or paused or full):
            self._open()

    def _open(self, client: SmtpClient | None = None) -> None:
        connection = _PooledConnection(client)
        task = asyncio.create_task(self._run(connection), name=f"smtp {self.name}")
        self._connections[task] = connection
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        connection = self._connections.pop(task)
        self.is_stalled = False
        if task.cancelled():
            return
        if error := task.exception():
            _log.error("a connection's task crashed", next_hop=self.name, exc_info=error)
            unfinished = connection.unfinished()
            for pending in unfinished:
                pending.complete(SmtpReply(0, "4.3.0 internal error", by_gate=True))
            if not unfinished:  # no mail is at fault, so the next connection would crash at once
                self._mark_down(_internal_error(error), connection)
        if self.down_reason:
            self._reject_queue()
        elif self._queue:
            self._find_connection()

    async def _run(self, connection: _PooledConnection) -> None:
        """Dials, sends what waits in the queue, and quits when no mail came for a while."""
        try:
            connection.client = client = connection.client or await self._dialer.dial(self.target)
        except RouteDown as error:
            if error.tls:
                self._note_session(error.tls)
            return self._mark_down(str(error), connection)
        if client.tls or client.tls_failure:
            self._note_session(client.tls_failure)
        try:
            self._announce(client.capabilities)
            while await self._mail_waits(client):
                await client.send_all(lambda: self._take_next(connection))
                self._lost_in_a_row = self._failures = 0
            await client.quit()
        except LoginDenied as error:
            self._on_denied(connection, error)
        except ConnectionLost as error:
            self._on_lost(connection, client, error.reply)
        finally:
            client.abort("the connection is no longer needed")

    def _note_session(self, failure: TlsFailure | None) -> None:
        """One session, for each domain whose mail waits for it."""
        if self.sessions:
            for policy in {pending.transaction.policy for pending in self._queue}:
                if policy:
                    self.sessions.note(policy, failure)

    def _take_next(self, connection: _PooledConnection) -> PendingTransaction | None:
        connection.taken = connection.unfinished()
        while self._queue:
            if not (pending := self._queue.popleft()).done:
                self.is_stalled = False
                connection.taken.append(pending)
                return pending
        return None

    async def _mail_waits(self, client: SmtpClient) -> bool:
        """Waits for mail. False if none came in time, or if connection or pool are closed."""
        if self._queue or client.closed or self.down_reason:
            return not (client.closed or self.down_reason)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        client.on_closed = lambda: None if waiter.done() else waiter.set_result(None)
        self._idle.append(waiter)
        try:
            async with asyncio.timeout(self._limits.idle):
                await waiter
        except TimeoutError:
            return False
        finally:
            if waiter in self._idle:
                self._idle.remove(waiter)
        return not (client.closed or self.down_reason)

    def _announce(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        for listener in self.listeners:
            listener.on_capabilities(self.name, capabilities)

    # Failures

    def _on_lost(self, connection: _PooledConnection, client: SmtpClient, reply: SmtpReply) -> None:
        """Defers the mail that was being sent.

        Mails that were only announced go over another connection.
        """
        lost = connection.unfinished()
        deferred = lost[0] if lost and (lost[0].stage is Stage.BODY or not client.completed) else None
        for pending in reversed(lost):
            if pending is deferred:
                pending.complete(_lost_reply(pending, reply), client.tls)
            else:
                pending.requeue()
                self._queue.appendleft(pending)
        self._lost_in_a_row = 0 if client.completed else self._lost_in_a_row + 1
        if client.completed:
            self._failures = 0
        elif deferred and (reply.closing or self._lost_in_a_row >= LOST_CONNECTIONS_UNTIL_DOWN):
            self._mark_down(reply.line, connection)

    def _on_denied(self, connection: _PooledConnection, error: LoginDenied) -> None:
        """No mail is at fault: all of it waits until the next hop takes the login."""
        for pending in reversed(connection.unfinished()):
            pending.requeue()
            self._queue.appendleft(pending)
        self._mark_down(f"the next hop takes no mail from {self.target.login}: {error}", connection)

    def _mark_down(self, reason: str, connection: _PooledConnection) -> None:
        """The next hop is down, unless another connection works: then it only accepts no more."""
        if self.down_reason:
            return
        if any(other.client for other in self._connections.values() if other is not connection):
            self._no_growth_until = asyncio.get_running_loop().time() + self._limits.growth_pause
            return
        self.down_reason = reason
        self._failures += 1
        _log.warning("the next hop is down", next_hop=self.name, why=reason)
        self._reject_queue()
        if self._limits.lazy:
            delay = self._limits.reconnect.delay(self._failures, random.random())  # noqa: S311 - jitter
            self._pause = asyncio.get_running_loop().call_later(delay.total_seconds(), self._end_pause)
            return
        self._reconnecting = asyncio.create_task(self._reconnect(), name=f"reconnect {self.name}")
        for listener in self.listeners:
            listener.on_down(self.name, reason)

    def _reject_queue(self) -> None:
        while self._queue:
            self._queue.popleft().finish(NotAttempted(reason=self.down_reason))

    def _end_pause(self) -> None:
        self.down_reason = ""

    async def _reconnect(self) -> None:
        """Dials until the next hop answers."""
        client: SmtpClient | None = None
        while client is None:
            delay = self._limits.reconnect.delay(self._failures, random.random())  # noqa: S311 - jitter
            await asyncio.sleep(delay.total_seconds())
            try:
                client = await self._dialer.dial(self.target)
            except RouteDown as error:
                self.down_reason = str(error)
                self._failures += 1
            except Exception as error:  # noqa: BLE001 - a bug with this next hop: it is dialled again later
                _log.exception("the next hop can't be dialled", next_hop=self.name)
                self.down_reason = _internal_error(error)
                self._failures += 1
        _log.info("the next hop is back", next_hop=self.name)
        self.down_reason, self._reconnecting = "", None
        self._open(client)
        for listener in self.listeners:
            listener.on_recovered()


class BlackholeSink:
    """Accepts every mail and sends nothing."""

    name: str = BLACKHOLE
    label = BLACKHOLE
    capabilities = Capabilities(eight_bit=True, smtputf8=True)
    down_reason = ""
    is_stalled = False
    load = 0

    async def send(self, transaction: SmtpTransaction, patience: float = 0.0) -> Result:  # noqa: ARG002 - never waits
        return Completed(replies=dict.fromkeys(transaction.recipients, SmtpReply(250, "2.0.0 Ok: blackhole")), dsn=True)


@dataclass(frozen=True, slots=True)
class UnreachableHop:
    """A next hop that is not known now; `down_reason` says why."""

    name: str
    down_reason: str
    is_stalled: bool = False

    @property
    def label(self) -> str:
        return self.name

    async def send(self, transaction: SmtpTransaction, patience: float = 0.0) -> Result:  # noqa: ARG002 - never sent
        return NotAttempted(reason=self.down_reason)


def _internal_error(error: BaseException) -> str:
    return f"internal error: {type(error).__name__}: {error}"[:MAX_TEXT]


def _lost_reply(pending: PendingTransaction, reply: SmtpReply) -> SmtpReply:
    if reply.code:
        return reply
    when = "while the body was sent, or after it" if pending.stage is Stage.BODY else "before the body"
    return SmtpReply(0, f"4.4.2 connection lost {when}: {reply.text}", in_doubt=pending.stage is Stage.BODY)
