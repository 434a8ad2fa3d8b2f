"""One service's connection to the bus: publish, subscribe, request; kept over reconnects."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from itertools import count

from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import ended
from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.protocol import Handler
from varco_common.bus.redelivery import Redeliveries
from varco_common.bus.reply_waiter import Collector, ReplyWaiter, SingleReply
from varco_common.bus.server_session import ServerSession


class NatsConnection:
    """`name` is the service's.

    Its inboxes are `_INBOX_<name>.>`; no other user may subscribe to them.
    """

    def __init__(self, settings: BusSettings, name: str) -> None:
        self.name = name
        self._inbox = f"_INBOX_{name}.{secrets.token_hex(8)}."
        self._token_start = len(self._inbox)
        self._subscription_ids = count(1)
        self._tokens = count(1)
        self._subscriptions: dict[bytes, bytes] = {}  # id -> SUB line, sent again at each reconnect
        self._handlers: dict[bytes, Handler] = {}
        self._waiters: dict[bytes, ReplyWaiter] = {}
        self._session = ServerSession(settings, name, self._handlers, self._subscriptions.values, self._end_waiters)
        self.redeliveries = Redeliveries()
        self.store_full_since = 0.0  # loop time of an append that found no room, with none stored since; 0: none
        self.subscribe(self._inbox + "*", self._answered)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: BusSettings, name: str) -> AsyncIterator["NatsConnection"]:
        """Waits until the server is there; closes at the end.

        Raises ValueError if an address is malformed.
        """
        self = cls(settings, name)
        _ = settings.servers  # raises before the task starts
        session = asyncio.create_task(self._session.run(), name=f"bus {name}")
        try:
            await self._session.connected.wait()
            yield self
        finally:
            try:
                await ended(session)
            finally:
                await self._session.close()
                self._end_waiters()

    # the state of the connection

    @property
    def up(self) -> bool:
        return self._session.connected.is_set()

    @property
    def servers(self) -> int:
        """How many servers the bus has, as far as the connected one knows."""
        return max(len(self._session.cluster), 1)

    @property
    def clustered(self) -> bool:
        return self.servers > 1

    @property
    def max_payload(self) -> int:
        """Bytes of header and payload that the server takes in one message."""
        return self._session.max_payload

    def check(self) -> None:
        """Raises TransientError while disconnected."""
        if not self.up:
            raise TransientError("the bus is away")

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` after each reconnect and when a server of a cluster is lost.

        Subscriptions are renewed by then. Returns a function that ends that.
        """
        return self._session.on_reconnect(callback)

    async def ready(self, timeout: float) -> None:
        """Waits until the connection is there and takes more.

        TransientError after `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._session.connected.wait()
                if self._session.protocol:
                    await self._session.protocol.writable.wait()
        except TimeoutError:
            raise TransientError("the bus is away") from None
        self.check()

    async def settled(self) -> None:
        """Waits until the server knows all subscriptions.

        While disconnected, the reconnect renews them.
        """
        if self._session.protocol and self.up:
            with contextlib.suppress(TransientError):
                await asyncio.shield(self._session.ping(self._session.protocol))

    # subscriptions

    def new_inbox(self) -> str:
        """A subject below this connection's own prefix, for a subscription of its own."""
        return f"{self._inbox[:-1]}.own.{next(self._tokens)}"

    def subscribe(self, subject: str, handler: Handler, group: str = "") -> bytes:
        """Calls `handler` for each message, in order, on the event loop.

        Returns the id for `unsubscribe`.
        """
        subscription = b"%d" % next(self._subscription_ids)
        line = b"SUB %s %s %s\r\n" % (subject.encode(), group.encode(), subscription)
        self._subscriptions[subscription] = line
        self._handlers[subscription] = handler
        if self._session.protocol:
            self._session.protocol.write(line)
        return subscription

    def unsubscribe(self, subscription: bytes, late: Handler | None = None) -> None:
        """Ends a subscription.

        `late` gets the messages that the server had sent before it read of that.
        """
        if not self._subscriptions.pop(subscription, None):
            return
        del self._handlers[subscription]
        if protocol := self._session.protocol:
            protocol.write(b"UNSUB %s\r\n" % subscription)
            if late is not None and self.up:
                self._handlers[subscription] = late
                self._session.ping(protocol).add_done_callback(lambda _: self._handlers.pop(subscription, None))

    # messages and replies

    def publish(
        self, subject: str, payload: bytes, *, headers: bytes = b"", token: bytes = b"", reply: str = ""
    ) -> None:
        """Sends one message; replies go to the inbox's `token`, or to the subject `reply`.

        Raises TransientError while disconnected, PoisonError if it is larger than the server takes.
        """
        session = self._session
        protocol = session.protocol
        if protocol is None or not session.connected.is_set():
            raise TransientError("the bus is away")
        size = len(headers) + len(payload)
        if size > session.max_payload:  # the server would close the connection
            raise PoisonError(f"{size} bytes are more than the bus takes at once ({session.max_payload})")
        to = f"{self._inbox}{token.decode()}" if token else reply
        if headers:
            protocol.write(f"HPUB {subject} {to} {len(headers)} {size}\r\n".encode(), headers, payload, b"\r\n")
        else:
            protocol.write(f"PUB {subject} {to} {size}\r\n".encode(), payload, b"\r\n")

    async def request(
        self, subject: str, payload: bytes, *, headers: bytes = b"", timeout: float
    ) -> tuple[bytes, bytes]:
        """Headers and payload of the first reply.

        TransientError after `timeout` seconds, or when the bus goes.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        protocol = self._session.protocol
        if protocol is None or not self.up or not protocol.writable.is_set():
            await self.ready(timeout)
        waiter = SingleReply(loop.create_future())
        token = b"%d" % next(self._tokens)
        self._waiters[token] = waiter
        timer = loop.call_at(deadline, waiter.time_out)
        try:
            self.publish(subject, payload, headers=headers, token=token)
            return await waiter.future
        finally:
            timer.cancel()
            self._waiters.pop(token, None)

    async def collect(self, subject: str, payload: bytes, collector: Collector, timeout: float) -> None:
        """Sends a request and gives the collector every reply.

        Ends when the collector is complete, after `timeout` seconds, or when the connection is
        lost. Raises TransientError while disconnected.
        """
        token = b"%d" % next(self._tokens)
        self._waiters[token] = collector
        timer = asyncio.get_running_loop().call_later(timeout, collector.lost)
        try:
            self.publish(subject, payload, token=token)
            await collector.done
        finally:
            timer.cancel()
            self._waiters.pop(token, None)

    def _answered(self, subject: bytes, _reply: bytes, headers: bytes, payload: bytes) -> None:
        if waiter := self._waiters.get(subject[self._token_start :]):
            waiter.reply(headers, payload)

    def _end_waiters(self) -> None:
        waiters = [*self._waiters.values()]
        self._waiters.clear()
        for waiter in waiters:
            waiter.lost()
