"""The public download server: a page for browsers, the file for programs.

A link is all that one needs.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.events import Language, readable_link
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notices import ascii_of
from varco_common.storage.object_store import MissingObject, ObjectStore
from varco_filelink import metrics
from varco_filelink.downloads import html_pages
from varco_filelink.downloads.byte_ranges import ByteRange, UnsatisfiableRange, not_modified, requested_range
from varco_filelink.downloads.download_events import DownloadEvents
from varco_filelink.downloads.miss_limiter import MissLimiter
from varco_filelink.link_store import LinkStore
from varco_filelink.model.link_state import Link

CHUNK_BYTES = 256 * 1024
MISSES_PER_MINUTE = 30  # of one address; a person who mistypes a link needs a few
_FILE_POLICY = "default-src 'none'; sandbox"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-downloads"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = log.get(__name__)


class DownloadServer:
    """`events` records each download when it has ended.

    `texts_of` has what the users of an account read, so that a page names the day in its time zone.
    """

    def __init__(
        self,
        links: LinkStore,
        files: ObjectStore,
        events: DownloadEvents,
        texts_of: Callable[[str], AccountTexts | None],
    ) -> None:
        self._links, self._files, self._events, self._texts_of = links, files, events, texts_of
        self._limiter = MissLimiter(MISSES_PER_MINUTE)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/files/{name:path}", self._link, methods=["GET", "HEAD"]),
                Route("/{rest:path}", self._unknown, methods=["GET", "HEAD"]),
            ]
        )

    async def _unknown(self, request: Request) -> Response:
        return _message(request, 404, "unknown")

    async def _link(self, request: Request) -> Response:
        """The same lookups for any name, so timing tells nothing (see `bench.links_guessing`)."""
        host = request.client.host if request.client else ""
        if self._limiter.is_blocked(host):
            return _message(request, 429, "slow", {"Retry-After": "60"})
        link = self._links.by_name(request.path_params["name"].rpartition("/")[2])
        if link is None:
            self._limiter.add_miss(host)
            return _message(request, 404, "unknown")
        if not link.live(datetime.now(UTC)):
            return self._ended(request, link)
        if _wants_page(request):
            metrics.ANSWERS.labels("200").inc()
            expires_at = self._texts(link).local(link.expires_at)
            page = html_pages.file_page(link, _language(request), expires_at)
            return HTMLResponse(page, headers=_ALWAYS | _PAGE)
        return await self._file(request, link, host)

    async def _file(self, request: Request, link: Link, host: str) -> Response:
        headers = _file_headers(link)
        sent = request.headers
        if not_modified(sent.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        try:
            span = requested_range(link.size, sent.get("range"), sent.get("if-range"), headers["ETag"], link.linked_at)
        except UnsatisfiableRange:
            return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{link.size}"})
        status = 206 if span.partial else 200
        if span.partial:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{link.size}"
        headers["Content-Length"] = str(span.end - span.start)
        metrics.ANSWERS.labels(str(status)).inc()
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        try:
            return await self._open(link, host, span, status, headers)
        except MissingObject:
            _log.error("a link's object is gone", link=readable_link(link.link), object=link.object)
            return self._ended(request, link)
        except TransientError:
            return _message(request, 503, "busy", {"Retry-After": "60"})

    def _ended(self, request: Request, link: Link) -> Response:
        kind, language = "revoked" if link.revoked else "gone", _language(request)
        return _answer(request, 410, kind, lambda: html_pages.ended_page(link, language, self._texts(link)))

    def _texts(self, link: Link) -> AccountTexts:
        return self._texts_of(link.account) or AccountTexts()

    async def _open(self, link: Link, host: str, span: ByteRange, status: int, headers: dict[str, str]) -> Response:
        """Reads the first bytes before the status is sent. Raises MissingObject, TransientError."""
        pieces = self._files.stream(link.object, CHUNK_BYTES, start=span.start, length=span.end - span.start)
        first = await anext(pieces, b"")

        async def record(sent: int) -> None:
            await self._events.append(link, host, sent, complete=sent == link.size and span.start == 0)

        return _FileResponse(_chain(first, pieces), record, status, headers)


class _FileResponse(Response):
    """Sends pieces as the client takes them; calls `record` with the bytes sent at the end."""

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        record: Callable[[int], Awaitable[None]],
        status: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._pieces, self._record = pieces, record

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        disconnected = asyncio.create_task(_disconnect(receive))
        sent = 0
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if disconnected.done():
                    break
                sent += len(piece)
            else:
                await send({"type": "http.response.body", "body": b""})
        except TransientError as error:  # the client notices: Content-Length is not reached
            _log.warning("a download broke off", error=str(error))
        finally:
            disconnected.cancel()
            await self._pieces.aclose()  # type: ignore[attr-defined]
            await self._record(sent)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        with suppress(RuntimeError):
            await rest.aclose()  # type: ignore[attr-defined]


_PAGE = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store", "Vary": "Accept, Accept-Language"}


def _file_headers(link: Link) -> dict[str, str]:
    return _ALWAYS | {
        "Content-Security-Policy": _FILE_POLICY,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": content_disposition(link.name),
        "Accept-Ranges": "bytes",
        "ETag": f'"{link.sha256[:40]}"',
        "Last-Modified": format_datetime(link.linked_at.astimezone(UTC), usegmt=True),
        "Cache-Control": "private, no-cache",
        "Vary": "Accept",
    }


def content_disposition(name: str) -> str:
    """RFC 6266 4.3: an ASCII name for old clients, and the exact one."""
    plain = re.sub(r'[\\"%/;\x00-\x1f\x7f]', "_", ascii_of(name))
    exact = quote(name, safe="!#$&+-.^_`|~")  # RFC 8187 3.2.1
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _message(request: Request, status: int, kind: str, extra: dict[str, str] | None = None) -> Response:
    return _answer(request, status, kind, lambda: html_pages.message_page(kind, _language(request)), extra)


def _answer(
    request: Request, status: int, kind: str, page: Callable[[], str], extra: dict[str, str] | None = None
) -> Response:
    """A page for browsers, a line for programs."""
    metrics.ANSWERS.labels(str(status)).inc()
    headers = _ALWAYS | _PAGE | (extra or {})
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(page(), status, headers=headers)
    return PlainTextResponse(html_pages.title(kind, _language(request)) + "\n", status, headers=headers)


def _language(request: Request) -> Language:
    return html_pages.negotiate_language(request.headers.get("accept-language", ""))


def _wants_page(request: Request) -> bool:
    """True for a browser. Programs send Accept: */*, the page's button `?download`."""
    sent = request.headers
    return "download" not in request.query_params and "range" not in sent and "text/html" in sent.get("accept", "")
