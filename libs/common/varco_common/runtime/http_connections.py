"""Bounds on HTTP connections and requests, so that silent or greedy clients stop nobody else."""

import asyncio
from collections import Counter, OrderedDict
from http import HTTPStatus
from ipaddress import ip_address
from typing import ClassVar

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from varco_common.events.ban_table import banned_as
from varco_common.runtime import problems

HEADER_SECONDS = 10.0  # for the whole header of a request, and between two requests
BODY_SECONDS = 60.0  # for the whole body, which has 4 MiB at most
MAX_IDLE = 500  # connections without a request in progress; a process may open 1,024 files by default


class _Bounds:
    """The bounds of one server, and its connections that have no request in progress."""

    def __init__(self, header_seconds: float, body_seconds: float, max_idle: int) -> None:
        self.seconds = {"header": header_seconds, "body": body_seconds}
        self._max_idle = max_idle
        self._idle: OrderedDict[H11Protocol, None] = OrderedDict()

    def note(self, connection: H11Protocol, phase: str) -> None:
        """The oldest idle connection ends if there are too many."""
        if phase != "header":
            self._idle.pop(connection, None)
            return
        self._idle[connection] = None
        if len(self._idle) > self._max_idle:
            oldest, _ = self._idle.popitem(last=False)
            oldest.transport.abort()


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, with a time for each phase: header, body, response, lost."""

    bounds: ClassVar[_Bounds]
    _timer: asyncio.TimerHandle | None = None
    _phase = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._enter("header")

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter("lost")
        super().connection_lost(exc)

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
        seconds = self.bounds.seconds.get(phase)
        self._timer = self.loop.call_later(seconds, self.transport.abort) if seconds else None
        self.bounds.note(self, phase)


def bounded_protocol(
    header_seconds: float = HEADER_SECONDS, body_seconds: float = BODY_SECONDS, max_idle: int = MAX_IDLE
) -> type[BoundedProtocol]:
    """The protocol of one server."""
    bounds = _Bounds(header_seconds, body_seconds, max_idle)
    return type("BoundedProtocol", (BoundedProtocol,), {"bounds": bounds})


class RequestLimit:
    """Middleware: 503 while too many requests are in progress, in all or from one host.

    One host may have half of them, so that there is room for others. Requests from this machine
    are not counted by host, since a reverse proxy may send them for everybody.
    """

    def __init__(self, app: ASGIApp, max_requests: int) -> None:
        self._app, self._max = app, max_requests
        self._of_host = max(1, max_requests // 2)
        self._hosts: Counter[str] = Counter()
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _host(scope)
        if self._count >= self._max or (host and self._hosts[host] >= self._of_host):
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


def _host(scope: Scope) -> str:
    """An IPv4 address or IPv6 /64; empty for this machine and for what is no address."""
    try:
        address = ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return ""
    return "" if address.is_loopback else banned_as(str(address))
