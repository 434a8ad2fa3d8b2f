"""Middleware: no body is read without a token, and no stream outlives the token that opened it."""

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from varco_common.base.errors import TransientError
from varco_common.runtime import problems
from varco_common.runtime.auth import verified_token
from varco_common.runtime.tokens import ApiToken, Keyring

Middleware = Callable[[ASGIApp], ASGIApp]

_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


def require_token_before_body(app: ASGIApp) -> ASGIApp:
    """Answers 401 from the header alone, and notes the token's scope as the caller.

    FastAPI reads a whole body before it looks at the token.
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _WITHOUT_BODY:
            try:
                scope.setdefault("state", {})["caller"] = (await verified_token(Request(scope))).scope
            except (HTTPException, TransientError) as error:
                return await (await problems.answer_to(Request(scope), error))(scope, receive, send)
        return await app(scope, receive, send)

    return checked


def end_at_revocation(keyring: Keyring) -> Middleware:
    """A response that waits for its client's disconnect sees one when its token is revoked."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            async def received() -> Message:
                token: ApiToken | None = scope.get("state", {}).get("token")
                return await (_received_or_revoked(keyring, token, receive) if token else receive())

            return await app(scope, received, send)

        return watched

    return middleware


async def _received_or_revoked(keyring: Keyring, token: ApiToken, receive: Receive) -> Message:
    with keyring.watching(token.id) as revoked:
        message, end = asyncio.ensure_future(receive()), asyncio.create_task(revoked.wait())
        try:
            await asyncio.wait((message, end), return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else {"type": "http.disconnect"}
        finally:
            message.cancel()
            end.cancel()
