"""Bounds on HTTP connections and requests, so that silent or greedy clients stop nobody else."""

import asyncio
import math
from collections import Counter
from http import HTTPStatus
from ipaddress import ip_address
from typing import ClassVar

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from varco_common.events.ban_table import banned_as
from varco_common.runtime import problems

MAX_PAUSE_SECONDS = 5.0  # a download whose client takes nothing for so long ends when others wait
HEADER_SECONDS = 10.0  # for the whole header of a request, and between two requests
BODY_SECONDS = 60.0  # for the whole body, which has 4 MiB at most
READ_SECONDS = 60.0  # for a client of a download to take what was written, 320 KiB at most
MAX_IDLE = 500  # connections without a request in progress; a process may open 1,024 files by default


class Connections:
    """The bounds of one server's connections, and those that are idle or wait for their client.

    `read_seconds` is how long a client may take nothing of a response; None for no bound.
    """

    def __init__(
        self,
        header_seconds: float = HEADER_SECONDS,
        body_seconds: float = BODY_SECONDS,
        read_seconds: float | None = None,
        max_idle: int = MAX_IDLE,
    ) -> None:
        self.seconds = {"header": header_seconds, "body": body_seconds}
        self.read_seconds = read_seconds
        self._max_idle = max_idle
        self._idle: dict[BoundedProtocol, str] = {}  # to hosts, the oldest first
        self._paused: dict[BoundedProtocol, float] = {}  # to the loop's time, the oldest first

    def protocol(self) -> type["BoundedProtocol"]:
        """For uvicorn, which makes an object of it for each connection."""
        return type("BoundedProtocol", (BoundedProtocol,), {"server_connections": self})

    def note(self, connection: "BoundedProtocol", phase: str) -> None:
        """Of too many idle connections the oldest one of the host with the most ends."""
        if phase != "header":
            self._idle.pop(connection, None)
            return
        self._idle[connection] = (connection.client or ("",))[0]
        if len(self._idle) > self._max_idle:
            [(greediest, _)] = Counter(self._idle.values()).most_common(1)
            oldest = next(idle for idle, host in self._idle.items() if host == greediest)
            del self._idle[oldest]
            oldest.transport.abort()

    def note_pause(self, connection: "BoundedProtocol", since: float | None) -> None:
        """The client takes nothing since then; None: it takes something."""
        self._paused.pop(connection, None)
        if since is not None:
            self._paused[connection] = since

    def end_slowest(self, now: float) -> bool:
        """Ends the response whose client has taken nothing for longest, if that is too long."""
        slowest = next(iter(self._paused), None)
        if slowest is None or now - self._paused[slowest] < MAX_PAUSE_SECONDS:
            return False
        del self._paused[slowest]
        slowest.transport.abort()
        return True


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, with a time for each phase: header, body, response, lost."""

    server_connections: ClassVar[Connections]
    _timer: asyncio.TimerHandle | None = None
    _pause_timer: asyncio.TimerHandle | None = None
    _phase = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._enter("header")

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter("lost")
        self._end_pause()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.server_connections.note_pause(self, self.loop.time())
        if self.server_connections.read_seconds:
            self._pause_timer = self.loop.call_later(self.server_connections.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_pause()

    def _end_pause(self) -> None:
        self.server_connections.note_pause(self, None)
        if self._pause_timer:
            self._pause_timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._enter_next()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._phase != "lost":
            self._phase = ""  # the next header has a time of its own
            self._enter_next()

    def _enter_next(self) -> None:
        if self._phase == "lost":
            return
        if self.cycle is None or self.cycle.response_complete:
            self._enter("header")
        else:
            self._enter("body" if self.cycle.more_body else "response")

    def _enter(self, phase: str) -> None:
        if phase == self._phase:
            return
        self._phase = phase
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if seconds := self.server_connections.seconds.get(phase):
            self._timer = self.loop.call_later(seconds, self._out_of_time, seconds, math.inf)
        self.server_connections.note(self, phase)

    def _out_of_time(self, seconds: float, unsent: float) -> None:
        """A client that still takes the response before gets its time once more."""
        left = self.transport.get_write_buffer_size()
        if 0 < left < unsent:
            self._timer = self.loop.call_later(seconds, self._out_of_time, seconds, left)
        else:
            self.transport.abort()


class RequestLimit:
    """Middleware: 503 while too many requests are in progress, in all or from one host.

    One host may have half of them, so that there is room for others. Requests from this machine
    are not counted by host, since a reverse proxy may send them for everybody. Where clients take
    nothing of their responses, the slowest makes room.
    """

    def __init__(self, app: ASGIApp, max_requests: int, connections: Connections) -> None:
        self._app, self._max, self._connections = app, max_requests, connections
        self._of_host = max(1, max_requests // 2)
        self._hosts: Counter[str] = Counter()
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _host(scope)
        if (host and self._hosts[host] >= self._of_host) or (self._count >= self._max and not self._make_room()):
            retry = {"Retry-After": str(problems.RETRY_AFTER_SECONDS), "Connection": "close"}
            busy = problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are in progress.", retry)
            return await busy(scope, receive, send)
        self._count += 1
        self._hosts[host] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= 1
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]

    def _make_room(self) -> bool:
        return self._connections.end_slowest(asyncio.get_running_loop().time())


def _host(scope: Scope) -> str:
    """An IPv4 address or IPv6 /64; empty for this machine and for what is no address."""
    try:
        address = ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return ""
    return "" if address.is_loopback else banned_as(str(address))
