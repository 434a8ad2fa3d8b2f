"""The connection to the bus: found again for ever, with one inbox for all answers."""

import asyncio
import contextlib
import logging
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import count

import msgspec

from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import ended
from varco_common.bus.protocol import Handler, NatsProtocol, ServerInfo
from varco_common.bus.redelivery import Redeliveries
from varco_common.bus.reply_waiter import ReplyWaiter, SingleReply, Subscription
from varco_common.bus.settings import BusSettings

log = logging.getLogger(__name__)

PING_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 1.0
MAX_WAIT_SECONDS = 1.0  # between two tries to connect


class NatsConnection:
    """One name on the bus. `name` is the service's; its inboxes are `_INBOX_<name>.>` and nobody else may read them."""

    def __init__(self, settings: BusSettings, name: str) -> None:
        self._settings = settings
        self._context = settings.context()
        self.name = name
        self._inbox = f"_INBOX_{name}.{secrets.token_hex(8)}."
        self._prefix = len(self._inbox)
        self._sids = count(1)
        self._tokens = count(1)
        self._subscriptions: dict[bytes, Subscription] = {}
        self.handlers: dict[bytes, Handler] = {}
        self._waiters: dict[bytes, ReplyWaiter] = {}
        self._wire: NatsProtocol | None = None  # greeted: it has our subscriptions
        self._newest: NatsProtocol | None = None
        self._complaint = ""
        self._password = ""
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._pongs: deque[asyncio.Future[None]] = deque()  # the server answers pings in order
        self._greeting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_reconnect: list[Callable[[], None]] = []
        self._cluster: frozenset[str] = frozenset()
        self._connects = 0
        self.max_payload = ServerInfo().max_payload
        self.refused = 0.0  # when an append found the store full and none was stored since; the loop's time
        self._closing = False
        self.redeliveries = Redeliveries()
        self.subscribe(self._inbox + "*", self._answered)

    # how it lives

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: BusSettings, name: str) -> AsyncIterator["NatsConnection"]:
        """Waits until the server is there; closes at the end. Raises ValueError where the address is none."""
        self = cls(settings, name)
        servers = random.sample(settings.servers, len(settings.servers))  # else all would be at the first one's
        keeper = asyncio.create_task(self._keep(servers), name=f"bus {name}")
        try:
            await self._ready.wait()
            yield self
        finally:
            self._closing = True
            try:
                await ended(keeper)
            finally:
                if self._wire:
                    await self._end(self._wire)
                self._let_go()

    async def _end(self, wire: NatsProtocol) -> None:
        """What is queued may take a moment to leave; a server that takes nothing isn't waited for."""
        wire.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._gone.wait()
        wire.abort()

    async def _keep(self, servers: list[tuple[str, int]]) -> None:
        """Connects, pings until the connection is lost, and connects again, for ever."""
        tries = 0
        while True:
            try:
                await self._connect(*servers[tries % len(servers)])
            except (OSError, TimeoutError, TransientError, msgspec.DecodeError) as error:
                log.log(logging.WARNING if tries % 20 == 0 else logging.DEBUG, "the bus can't be reached: %s", error)
                tries += 1
                await asyncio.sleep(random.uniform(0.5, 1) * min(MAX_WAIT_SECONDS, 0.05 * 2 ** min(tries, 6)))  # noqa: S311 - jitter
                continue
            tries = 0
            await self._watch()

    async def _connect(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._gone.clear()
        self._complaint = ""
        self._password = self._settings.password()
        self._greeting = loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(self._new_wire, host, port, ssl=self._context)
                await self._greeting
        except BaseException:
            if self._newest:
                self._newest.abort()
            self._newest = self._wire = None
            raise
        self._connects += 1
        self._ready.set()
        if self._connects > 1:
            log.info("the bus is back")
            self._begin_anew()

    def _begin_anew(self) -> None:
        for callback in [*self._on_reconnect]:
            try:
                callback()
            except Exception:
                log.exception("what was to be done at a reconnect failed")

    def _new_wire(self) -> NatsProtocol:
        self._newest = NatsProtocol(self)
        return self._newest

    async def _watch(self) -> None:
        """Pings; a server that doesn't answer before the next ping is as good as gone."""
        while self._wire:
            pong = self._ping(self._wire)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._gone.wait()
            if not pong.done() and self._wire:
                log.warning("the bus is silent: connecting again")
                self._wire.abort()
                await self._gone.wait()

    def _ping(self, wire: NatsProtocol) -> "asyncio.Future[None]":
        """Done when the server has read all that was written before; TransientError when it is lost first."""
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pong.add_done_callback(_retrieved)
        self._pongs.append(pong)
        wire.write(b"PING\r\n")
        return pong

    # what the wire tells

    def informed(self, wire: NatsProtocol, info: bytes) -> None:
        """The server's greeting: answer with who we are and all subscriptions. Later ones tell of the cluster."""
        told = msgspec.json.decode(info, type=ServerInfo)
        self.max_payload = told.max_payload
        before, self._cluster = self._cluster, frozenset(told.connect_urls)
        if wire is self._wire:
            return self._clustered(before - self._cluster)
        if wire is not self._newest:
            return None
        self._wire = wire
        hello: dict[str, str | bool | int] = {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "protocol": 1,
        }
        hello |= {"lang": "python", "version": "varco", "name": self.name}
        if self._settings.user:
            hello |= {"user": self._settings.user, "pass": self._password}
        wire.write(b"CONNECT " + msgspec.json.encode(hello) + b"\r\n")
        wire.write(*[one.line(sid) for sid, one in self._subscriptions.items()])
        self._ping(wire).add_done_callback(self._greeted)
        return None

    def _clustered(self, gone: frozenset[str]) -> None:
        """What a server that is gone did for us nobody does now, and nobody says so: consumers that only it had, for one."""
        if gone and self.up:
            log.warning("a server of the bus is gone: %s", ", ".join(sorted(gone)))
            self._begin_anew()

    def ponged(self) -> None:
        if self._pongs and not (pong := self._pongs.popleft()).done():
            pong.set_result(None)

    def _greeted(self, pong: "asyncio.Future[None]") -> None:
        if not self._greeting.done() and not pong.cancelled() and pong.exception() is None:
            self._greeting.set_result(None)

    def complained(self, text: str) -> None:
        self._complaint = text
        if self.up:
            log.error("the bus complains: %s", text)

    def lost(self, wire: NatsProtocol, error: Exception | None) -> None:
        if wire is not self._newest:
            return
        why = self._complaint or str(error or "the server closed the connection")
        if self.up and not self._closing:
            log.warning("the bus is away: %s", why)
        self._wire = self._newest = None
        self._ready.clear()
        self._gone.set()
        for waiting in (self._greeting, *self._pongs):
            if not waiting.done():
                waiting.set_exception(TransientError(why))
        self._pongs.clear()
        self._let_go()

    def _let_go(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            waiter.lost()

    def _answered(self, subject: bytes, _reply: bytes, headers: bytes, payload: bytes) -> None:
        if waiter := self._waiters.get(subject[self._prefix :]):
            waiter.got(headers, payload)

    # what the bus does

    @property
    def up(self) -> bool:
        return self._ready.is_set()

    @property
    def servers(self) -> int:
        """How many servers the bus has, as far as the one that we are connected to knows."""
        return max(len(self._cluster), 1)

    @property
    def clustered(self) -> bool:
        """Whether other servers may do something for us."""
        return self.servers > 1

    def check(self) -> None:
        """Raises TransientError while disconnected."""
        if not self._ready.is_set():
            raise TransientError("the bus is away")

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` after each reconnect, subscriptions renewed, and where another server of the cluster is gone.

        Returns what takes it back.
        """
        self._on_reconnect.append(callback)
        return lambda: self._on_reconnect.remove(callback)

    async def ready(self, timeout: float) -> None:
        """Waits for the connection, and until it takes more; TransientError after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
                if self._wire:
                    await self._wire.writable.wait()
        except TimeoutError:
            raise TransientError("the bus is away") from None
        self.check()

    async def settled(self) -> None:
        """Waits until the server knows all subscriptions; not while disconnected, for a reconnect says them anew."""
        if self._wire and self.up:
            with contextlib.suppress(TransientError):
                await asyncio.shield(self._ping(self._wire))

    def inbox(self) -> str:
        """A new subject below this connection's own prefix, for a subscription of its own."""
        return f"{self._inbox[:-1]}.own.{next(self._tokens)}"

    def subscribe(self, subject: str, handler: Handler, group: str = "") -> bytes:
        """Calls `handler` for each message, in order, on the event loop. Returns the id for `unsubscribe`."""
        sid = b"%d" % next(self._sids)
        self._subscriptions[sid] = one = Subscription(subject, group)
        self.handlers[sid] = handler
        if self._wire:
            self._wire.write(one.line(sid))
        return sid

    def unsubscribe(self, sid: bytes, late: Handler | None = None) -> None:
        """Ends a subscription. `late` gets what the server had sent before it heard of that."""
        if not self._subscriptions.pop(sid, None):
            return
        del self.handlers[sid]
        if self._wire:
            self._wire.write(b"UNSUB %s\r\n" % sid)
            if late is not None and self.up:
                self.handlers[sid] = late
                self._ping(self._wire).add_done_callback(lambda _: self.handlers.pop(sid, None))

    def wait_at(self, waiter: ReplyWaiter) -> bytes:
        """A token of the inbox at which `waiter` gets every answer until `leave`."""
        token = b"%d" % next(self._tokens)
        self._waiters[token] = waiter
        return token

    def leave(self, token: bytes) -> None:
        self._waiters.pop(token, None)

    def publish(
        self, subject: str, payload: bytes, *, headers: bytes = b"", token: bytes = b"", reply: str = ""
    ) -> None:
        """Sends one message; answers go to the inbox's `token`, or to `reply`.

        Raises TransientError while disconnected, PoisonError when it is more than the server takes.
        """
        wire = self._wire
        if wire is None or not self._ready.is_set():
            raise TransientError("the bus is away")
        size = len(headers) + len(payload)
        if size > self.max_payload:  # the server would close the connection
            raise PoisonError(f"{size} bytes are more than the bus takes at once ({self.max_payload})")
        to = f"{self._inbox}{token.decode()}" if token else reply
        if headers:
            wire.write(f"HPUB {subject} {to} {len(headers)} {size}\r\n".encode(), headers, payload, b"\r\n")
        else:
            wire.write(f"PUB {subject} {to} {size}\r\n".encode(), payload, b"\r\n")

    async def request(
        self,
        subject: str,
        payload: bytes,
        *,
        headers: bytes = b"",
        timeout: float,
    ) -> tuple[bytes, bytes]:
        """Headers and payload of the first answer. TransientError after `timeout` seconds, or when the bus goes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._wire is None or not self._ready.is_set() or not self._wire.writable.is_set():
            await self.ready(timeout)
        waiter = SingleReply(loop.create_future())
        token = self.wait_at(waiter)
        timer = loop.call_at(deadline, waiter.late)
        try:
            self.publish(subject, payload, headers=headers, token=token)
            return await waiter.future
        finally:
            timer.cancel()
            self._waiters.pop(token, None)


def _retrieved(future: "asyncio.Future[None]") -> None:
    """Nobody need wait for a pong: its error is no surprise."""
    if not future.cancelled():
        future.exception()
