"""The session with a server of the bus: connects, greets, pings, and connects again for ever."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from varco_common.base.errors import TransientError
from varco_common.base.tasks import done_within
from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.protocol import Handler, NatsProtocol, ServerInfo

log = logging.getLogger(__name__)

PING_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 1.0
FIRST_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 1.0


class ServerSession:
    """Implements ProtocolListener. `protocol` is the greeted connection, None while there is none.

    `subscriptions` gives the SUB lines that a new connection begins with; `on_lost` is called when
    a connection is lost.
    """

    def __init__(
        self,
        settings: BusSettings,
        name: str,
        handlers: dict[bytes, Handler],
        subscriptions: Callable[[], Iterable[bytes]],
        on_lost: Callable[[], None],
    ) -> None:
        self._settings, self._name, self.handlers = settings, name, handlers
        self._subscriptions, self._on_lost = subscriptions, on_lost
        self._tls = settings.context()
        self.protocol: NatsProtocol | None = None
        self._newest: NatsProtocol | None = None  # perhaps not greeted yet
        self.connected = asyncio.Event()
        self._disconnected = asyncio.Event()
        self._greeting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pongs: deque[asyncio.Future[None]] = deque()  # the server answers pings in order
        self._on_reconnect: list[Callable[[], None]] = []
        self.cluster: frozenset[str] = frozenset()
        self.max_payload = ServerInfo().max_payload
        self._password = self._server_error = ""
        self._is_first = True
        self._closing = False

    async def run(self) -> None:
        """Connects, pings until the connection is lost, and connects again, until cancelled."""
        servers = random.sample(self._settings.servers, len(self._settings.servers))  # spreads clients over a cluster
        failures = 0
        while True:
            try:
                await self._connect(*servers[failures % len(servers)])
            except (OSError, TimeoutError, TransientError, msgspec.DecodeError) as error:
                level = logging.WARNING if failures % 20 == 0 else logging.DEBUG
                log.log(level, "the bus can't be reached: %s", error)
                failures += 1
                delay = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures, 6))
                await asyncio.sleep(random.uniform(0.5, 1) * delay)  # noqa: S311 - jitter
                continue
            failures = 0
            await self._watch()

    async def close(self) -> None:
        """Sends what is queued, then closes.

        Waits at most a second for a server that reads nothing.
        """
        self._closing = True
        if not (protocol := self.protocol):
            return
        protocol.close()
        await done_within(self._disconnected.wait(), CLOSE_SECONDS)
        protocol.abort()

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` after each reconnect and when a server of the cluster is lost.

        Returns what ends that.
        """
        self._on_reconnect.append(callback)
        return lambda: self._on_reconnect.remove(callback)

    def ping(self, protocol: NatsProtocol) -> "asyncio.Future[None]":
        """Done when the server has read all that was written before.

        TransientError if the connection is lost first.
        """
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pong.add_done_callback(_mark_retrieved)
        self._pongs.append(pong)
        protocol.write(b"PING\r\n")
        return pong

    async def _connect(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._disconnected.clear()
        self._server_error = ""
        self._password = self._settings.password()
        self._greeting = loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(self._new_protocol, host, port, ssl=self._tls)
                await self._greeting
        except BaseException:
            if self._newest:
                self._newest.abort()
            self._newest = self.protocol = None
            raise
        self.connected.set()
        if not self._is_first:
            log.info("the bus is back")
            self._call_on_reconnect()
        self._is_first = False

    def _new_protocol(self) -> NatsProtocol:
        self._newest = NatsProtocol(self)
        return self._newest

    def _call_on_reconnect(self) -> None:
        for callback in [*self._on_reconnect]:
            try:
                callback()
            except Exception:
                log.exception("a callback for a reconnect failed")

    async def _watch(self) -> None:
        """Pings; a server that does not answer before the next ping counts as lost."""
        while self.protocol:
            pong = self.ping(self.protocol)
            await done_within(self._disconnected.wait(), PING_SECONDS)
            if not pong.done() and self.protocol:
                log.warning("the bus is silent: connecting again")
                self.protocol.abort()
                await self._disconnected.wait()

    # what the protocol calls

    def info_received(self, protocol: NatsProtocol, info: bytes) -> None:
        """Answers the server's greeting with CONNECT and all subscriptions.

        A later INFO tells of the cluster.
        """
        server = msgspec.json.decode(info, type=ServerInfo)
        self.max_payload = server.max_payload
        before, self.cluster = self.cluster, frozenset(server.connect_urls)
        if protocol is self.protocol:
            self._servers_lost(before - self.cluster)
        elif protocol is self._newest:
            self.protocol = protocol
            protocol.write(b"CONNECT " + msgspec.json.encode(self._connect_options()) + b"\r\n")
            protocol.write(*self._subscriptions())
            self.ping(protocol).add_done_callback(self._greeted)

    def _connect_options(self) -> dict[str, str | bool | int]:
        options: dict[str, str | bool | int] = {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "protocol": 1,
            "lang": "python",
            "version": "varco",
            "name": self._name,
        }
        return options | ({"user": self._settings.user, "pass": self._password} if self._settings.user else {})

    def _servers_lost(self, servers: frozenset[str]) -> None:
        """Begins anew: consumers that only the lost server had are gone without a report."""
        if servers and self.connected.is_set():
            log.warning("a server of the bus is gone: %s", ", ".join(sorted(servers)))
            self._call_on_reconnect()

    def _greeted(self, pong: "asyncio.Future[None]") -> None:
        if not self._greeting.done() and not pong.cancelled() and pong.exception() is None:
            self._greeting.set_result(None)

    def pong_received(self) -> None:
        if self._pongs and not (pong := self._pongs.popleft()).done():
            pong.set_result(None)

    def error_received(self, text: str) -> None:
        self._server_error = text
        if self.connected.is_set():
            log.error("the bus reports an error: %s", text)

    def connection_lost(self, protocol: NatsProtocol, error: Exception | None) -> None:
        if protocol is not self._newest:
            return
        why = self._server_error or str(error or "the server closed the connection")
        if self.connected.is_set() and not self._closing:
            log.warning("the bus is away: %s", why)
        self.protocol = self._newest = None
        self.connected.clear()
        self._disconnected.set()
        for future in (self._greeting, *self._pongs):
            if not future.done():
                future.set_exception(TransientError(why))
        self._pongs.clear()
        self._on_lost()


def _mark_retrieved(future: "asyncio.Future[None]") -> None:
    """A pong that is not awaited may fail: asyncio need not report its exception."""
    if not future.cancelled():
        future.exception()
