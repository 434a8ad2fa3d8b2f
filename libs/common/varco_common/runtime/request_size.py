"""Middleware that bounds what the bodies of requests take: each, those of one caller, and all.

FastAPI reads a whole body before it calls a route, so requests could fill the memory.
"""

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from varco_common.runtime.problems import RETRY_AFTER_SECONDS, problem

MAX_BODY = 4 << 20
MAX_OF_CALLER = 2 * MAX_BODY  # bytes in progress; a caller is an account with all its tokens, or the admins
MAX_OF_ALL = 8 * MAX_BODY


class _Bodies:
    """The bytes that requests in progress have sent."""

    def __init__(self) -> None:
        self._of_caller: Counter[str] = Counter()

    def add(self, caller: str, size: int) -> None:
        """Raises HTTPException when they would be too many."""
        if self._of_caller[caller] + size > MAX_OF_CALLER or self._of_caller.total() + size > MAX_OF_ALL:
            retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "Too many large requests are in progress.", retry)
        self._of_caller[caller] += size

    def remove(self, caller: str, size: int) -> None:
        self._of_caller[caller] -= size
        if not self._of_caller[caller]:
            del self._of_caller[caller]


def limit_request_size(app: ASGIApp, max_body: int | Callable[[Scope], int] = MAX_BODY) -> ASGIApp:
    """Refuses by the declared length, and by what arrives if no length is declared.

    `max_body` is in bytes, for all requests or by request. Strangers are one caller: where they may
    send bodies, it must be small.
    """
    bodies = _Bodies()

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        limit = max_body(scope) if callable(max_body) else max_body
        detail = f"A request has at most {limit} bytes."
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            return await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)(scope, receive, send)
        received, caller = 0, scope.get("state", {}).get("caller", "")

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            if received + size > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            bodies.add(caller, size)
            received += size
            return message

        try:
            return await app(scope, counted, send)
        finally:
            bodies.remove(caller, received)

    return limited
