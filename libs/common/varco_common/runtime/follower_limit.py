"""Limits the streams that a token follows at once: each holds a connection."""

from collections import Counter
from collections.abc import AsyncIterator

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from varco_common.runtime.tokens import ApiToken

MAX_STREAMS = 20


class FollowerLimit:
    """Counts the streams that this process serves, by the token's id."""

    def __init__(self) -> None:
        self._counts = Counter[str]()

    def stream(
        self, token: ApiToken, lines: AsyncIterator[bytes] | AsyncIterator[str], media_type: str
    ) -> StreamingResponse:
        """A response that counts until its client leaves. Raises 429 (RFC 6585 4) at the limit."""
        if self._counts[token.id] >= MAX_STREAMS:
            raise HTTPException(429, f"This token follows {MAX_STREAMS} streams, which is as many as it may: end one.")
        return _CountedResponse(self._counts, token, lines, media_type)


class _CountedResponse(StreamingResponse):
    def __init__(
        self,
        counts: Counter[str],
        token: ApiToken,
        lines: AsyncIterator[bytes] | AsyncIterator[str],
        media_type: str,
    ) -> None:
        super().__init__(lines, media_type=media_type)
        self._counts, self._token = counts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._counts[self._token.id] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._counts[self._token.id] -= 1
            if not self._counts[self._token.id]:
                del self._counts[self._token.id]
