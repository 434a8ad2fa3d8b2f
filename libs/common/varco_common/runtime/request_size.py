"""Middleware that refuses requests of more than MAX_BODY bytes.

FastAPI reads a whole body before it calls a route, so a request could fill the memory.
"""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from varco_common.runtime.problems import problem

MAX_BODY = 4 << 20
_DETAIL = f"A request has at most {MAX_BODY} bytes."


def limit_request_size(app: ASGIApp) -> ASGIApp:
    """Refuses by the declared length, and by what arrives if no length is declared."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > MAX_BODY:
            return await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _DETAIL)(scope, receive, send)
        left = MAX_BODY

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _DETAIL)
            return message

        return await app(scope, counted, send)

    return limited
