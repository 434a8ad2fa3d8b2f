"""The downloads' server: a page for browsers, the file for who wants it. Open to all who know a link."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.events import Language
from varco_common.mail.notices import ascii_of
from varco_common.storage.object_store import MissingObject, ObjectStore
from varco_filelink import metrics
from varco_filelink.downloads import html_pages
from varco_filelink.downloads.byte_ranges import ByteRange, UnsatisfiableRange, not_modified, requested_range
from varco_filelink.downloads.miss_limiter import MissLimiter, client_address
from varco_filelink.link_store import LinkStore
from varco_filelink.model.link_state import Link

CHUNK_BYTES = 256 * 1024
_FILE_POLICY = "default-src 'none'; sandbox"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-downloads"
)
_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = log.get(__name__)

ReportDownload = Callable[[Link, str, int, bool], Awaitable[None]]  # link, address, bytes, complete


class DownloadServer:
    """`told` is given each download when it has ended. `proxies` may name the client in X-Forwarded-For."""

    def __init__(
        self,
        links: LinkStore,
        files: ObjectStore,
        told: ReportDownload,
        *,
        tries: int,
        proxies: tuple[IPv4Network | IPv6Network, ...],
        now: Callable[[], datetime],
    ) -> None:
        self._links, self._files, self._told, self._now = links, files, told, now
        self._tries, self._proxies = MissLimiter(tries), proxies

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/files/{name:path}", self._file, methods=["GET", "HEAD"]),
                Route("/{rest:path}", self._nothing, methods=["GET", "HEAD"]),
            ]
        )

    async def _nothing(self, request: Request) -> Response:
        return _answer(request, 404, "unknown")

    async def _file(self, request: Request) -> Response:
        """Found or not, the same is done: one look at a table, whatever the name is (`python -m bench.links_guessing`)."""
        peer = request.client.host if request.client else ""
        host = client_address(peer, request.headers.get("x-forwarded-for", ""), self._proxies)
        clock = time.monotonic()
        if self._tries.spent(host, clock):
            return _answer(request, 429, "slow", {"Retry-After": "60"})
        link = self._links.at(request.path_params["name"].rpartition("/")[2])
        if link is None:
            self._tries.missed(host, clock)
            return _answer(request, 404, "unknown")
        if not link.live(self._now()):
            return _answer(request, 410, "gone")
        if _browser(request):
            metrics.ANSWERS.labels("200").inc()
            return HTMLResponse(html_pages.file_page(link, _speaks(request)), headers=_EVERYWHERE | _PAGE)
        return await self._sent(request, link, host)

    async def _sent(self, request: Request, link: Link, host: str) -> Response:
        headers = _file_headers(link)
        asked = request.headers
        if not_modified(asked.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        try:
            wanted = requested_range(
                link.size, asked.get("range"), asked.get("if-range"), headers["ETag"], link.linked_at
            )
        except UnsatisfiableRange:
            return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{link.size}"})
        status = 206 if wanted.partial else 200
        if wanted.partial:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{link.size}"
        headers["Content-Length"] = str(wanted.end - wanted.start)
        metrics.ANSWERS.labels(str(status)).inc()
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        try:
            return await self._opened(link, host, wanted, status, headers)
        except MissingObject:
            _log.error("a link's object is gone", link=link.link[:8], object=link.object)
            return _answer(request, 410, "gone")
        except TransientError:
            return _answer(request, 503, "busy", {"Retry-After": "60"})

    async def _opened(self, link: Link, host: str, wanted: ByteRange, status: int, headers: dict[str, str]) -> Response:
        """The first bytes are here before the status is said. Raises MissingBlob, TransientError."""
        pieces = self._files.stream(link.object, CHUNK_BYTES, start=wanted.start, length=wanted.end - wanted.start)
        first = await anext(pieces, b"")

        async def ended(sent: int) -> None:
            whole = sent == link.size and wanted.start == 0
            await self._told(link, host, sent, whole)

        return _FileResponse(_joined(first, pieces), ended, status, headers)


class _FileResponse(Response):
    """Sends pieces as fast as the client takes them; ends at once when it goes, and says how many bytes went."""

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        ended: Callable[[int], Awaitable[None]],
        status: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._pieces, self._ended = pieces, ended

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        sent = 0
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if gone.done():
                    break
                sent += len(piece)
            else:
                await send({"type": "http.response.body", "body": b""})
        except TransientError as error:  # the connection closes before its length: the client sees that, and asks again
            _log.warning("a download broke off", error=str(error))
        finally:
            gone.cancel()
            await self._pieces.aclose()  # type: ignore[attr-defined]
            await self._ended(sent)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        with suppress(RuntimeError):
            await rest.aclose()  # type: ignore[attr-defined]


_PAGE = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store", "Vary": "Accept, Accept-Language"}


def _file_headers(link: Link) -> dict[str, str]:
    return _EVERYWHERE | {
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
    """RFC 6266 4.3: a plain name for old clients, and the whole one beside it."""
    plain = re.sub(r'[\\"%/;\x00-\x1f\x7f]', "_", ascii_of(name))
    exact = quote(name, safe="!#$&+-.^_`|~")  # RFC 8187 3.2.1
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _answer(request: Request, status: int, kind: str, more: dict[str, str] | None = None) -> Response:
    metrics.ANSWERS.labels(str(status)).inc()
    headers = _EVERYWHERE | _PAGE | (more or {})
    speaks = _speaks(request)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(html_pages.message_page(kind, speaks), status, headers=headers)
    return PlainTextResponse(html_pages.title(kind, speaks) + "\n", status, headers=headers)


def _speaks(request: Request) -> Language:
    return html_pages.negotiate_language(request.headers.get("accept-language", ""))


def _browser(request: Request) -> bool:
    """Somebody looks at it; programs say */*, and the page's button says so."""
    asked = request.headers
    return "download" not in request.query_params and "range" not in asked and "text/html" in asked.get("accept", "")
