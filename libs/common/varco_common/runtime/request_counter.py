"""Middleware that counts the requests in flight and refuses new ones while draining."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from varco_common.base.tasks import done_within
from varco_common.runtime import problems

_PROBES = ("/livez", "/readyz", "/metrics")


class RequestCounter:
    """Knows when no request is in flight any more.

    Probes are not counted, and answered to the end.
    """

    def __init__(self, draining: asyncio.Event) -> None:
        self._draining = draining
        self._idle = asyncio.Event()
        self._idle.set()
        self._count = 0

    async def wait_until_idle(self, seconds: float) -> None:
        """Returns when no request is in flight, or after this time."""
        await done_within(self._idle.wait(), seconds)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] in _PROBES:
                return await app(scope, receive, send)
            if self._draining.is_set():
                retry = {"Retry-After": str(problems.RETRY_AFTER_SECONDS), "Connection": "close"}
                refusal = problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, "This process is ending.", retry)
                return await refusal(scope, receive, send)
            with self._in_flight():
                return await app(scope, receive, send)

        return counted

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()
