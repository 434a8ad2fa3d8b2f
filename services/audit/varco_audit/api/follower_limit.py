"""How many streams of events one token may follow at once: each holds a connection and a consumer until it is left."""

from collections import Counter
from collections.abc import AsyncIterator

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from varco_common.runtime.tokens import ApiToken

MOST = 20


class FollowerLimit:
    """Counts by the token's id; what this process serves alone."""

    def __init__(self) -> None:
        self._counts = Counter[str]()

    def admit(self, token: ApiToken) -> None:
        """Raises 429 (RFC 6585 4) where the token follows as many as it may."""
        if self._counts[token.id] >= MOST:
            raise HTTPException(
                429, f"This token follows {MOST} streams of events, which is as many as it may: end one."
            )

    def stream(self, token: ApiToken, lines: AsyncIterator[bytes], media_type: str) -> StreamingResponse:
        """An answer that counts from its beginning until its client leaves."""
        return _Counted(self._counts, token, lines, media_type)


class _Counted(StreamingResponse):
    def __init__(self, counts: Counter[str], token: ApiToken, lines: AsyncIterator[bytes], media_type: str) -> None:
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
