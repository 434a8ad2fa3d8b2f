"""Long downloads: a few at a time for each person."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

_AT_ONCE = 2


class DownloadTurns:
    """Counts the downloads in progress."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def of(self, person: str) -> Iterator[None]:
        """Raises 429 while two others of this person run."""
        if self._running[person] >= _AT_ONCE:
            why = f"{_AT_ONCE} of your downloads run already: try again when one of them has ended"
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, why)
        self._running[person] += 1
        try:
            yield
        finally:
            self._running -= Counter([person])


class Download(StreamingResponse):
    """A file that is made while it is read. Closes `turn` at its end, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], turn: ExitStack, name: str, media_type: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(content, media_type=media_type, headers=headers)
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._turn:
            await super().__call__(scope, receive, send)
