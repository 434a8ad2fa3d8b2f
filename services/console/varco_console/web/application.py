"""The web application: routes of all pages, headers of all answers, errors as pages."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from varco_common.base import log
from varco_common.base.errors import ConflictError, NotFound, RefusedCommand, TransientError, VarcoError
from varco_common.events.ban_table import BanTable
from varco_common.runtime.person_tokens import RightsRefused
from varco_common.runtime.request_size import limit_request_size
from varco_console.people import People
from varco_console.service_apis import ApiFailure
from varco_console.web.access import PageRoutes, SignInNeeded, declared_access
from varco_console.web.context import Console
from varco_console.web.cookies import SESSION, read_cookie
from varco_console.web.return_path import page_above, sign_in_path

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STATUS: dict[type[Exception], HTTPStatus] = {
    ConflictError: HTTPStatus.CONFLICT,
    NotFound: HTTPStatus.NOT_FOUND,
    RefusedCommand: HTTPStatus.UNPROCESSABLE_ENTITY,
    TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
}
MAX_FORM = 64 << 10  # bytes: FastAPI reads a form before it asks who sends it
MAX_EDITED = 2 << 20  # of an account file, or a list of senders, from somebody who is signed in
_EDITED = "/accounts/"
Middleware = Callable[[Request, RequestResponseEndpoint], Awaitable[Response]]
_log = log.get(__name__)


def web_application(console: Console, pages: Sequence[PageRoutes], bans: BanTable) -> FastAPI:
    """Raises RuntimeError if a route does not say who may use it."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.console = console
    for routes in pages:
        app.include_router(routes)
    check_access(app.routes)
    app.add_api_route("/livez", _live, include_in_schema=False)
    app.mount("/static", StaticFiles(packages=[("varco_console", "static")]))
    app.middleware("http")(_answer_middleware(console, bans))
    app.add_middleware(limit_request_size, max_body=_max_form)
    app.add_middleware(_with_session, people=console.people)
    for kind in (HTTPException, RequestValidationError, SignInNeeded, RightsRefused, VarcoError, Exception):
        app.add_exception_handler(kind, _on_error)
    return app


def check_access(routes: Iterable[object]) -> None:
    """Raises RuntimeError for the first route that does not say who may use it."""
    for route in routes:
        if isinstance(route, APIRoute):
            declared_access(route)


def _answer_middleware(console: Console, bans: BanTable) -> Middleware:
    async def answered(request: Request, call_next: RequestResponseEndpoint) -> Response:
        host = request.client.host if request.client else ""
        if bans.banned(host, datetime.now(UTC)):
            return PlainTextResponse("This address is banned.\n", HTTPStatus.FORBIDDEN, headers=_HEADERS)
        if request.state.session:
            await console.people.note_use(request.state.session, host)
        response = await call_next(request)
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", _cache(request))
        return response

    return answered


def _with_session(app: ASGIApp, people: People) -> ASGIApp:
    """Middleware that finds out who is there before anything of the body is read."""

    async def recognised(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            session = people.open_session(read_cookie(Request(scope), SESSION))
            scope.setdefault("state", {}).update(session=session, caller=session.by if session else "")
        await app(scope, receive, send)

    return recognised


def _max_form(scope: Scope) -> int:
    return MAX_EDITED if scope["state"]["session"] and scope["path"].startswith(_EDITED) else MAX_FORM


def _cache(request: Request) -> str:
    return "public, max-age=31536000, immutable" if request.url.path.startswith("/static/") else "no-store"


async def _live() -> JSONResponse:
    return JSONResponse({"live": True})


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, SignInNeeded):
        return RedirectResponse(sign_in_path(request), HTTPStatus.SEE_OTHER)
    status, detail = _explained(error)
    if status is HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET":
        return RedirectResponse(page_above(request, request.app.routes), HTTPStatus.SEE_OTHER)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.exception("request failed", path=request.url.path, method=request.method, error=repr(error))
    return _error_page(request, status, detail)


def _error_page(request: Request, status: HTTPStatus, detail: str) -> HTMLResponse:
    console: Console = request.app.state.console
    page = console.renderer.page(request, "shared/error.html", status=status, code=status.value, detail=detail)
    page.headers.update(_HEADERS)
    return page


def _explained(error: Exception) -> tuple[HTTPStatus, str]:
    """The status of an error's page, and what may be said of it."""
    match error:
        case HTTPException():
            status = HTTPStatus(error.status_code)
            return status, "" if error.detail == status.phrase else error.detail
        case RequestValidationError():
            return HTTPStatus.UNPROCESSABLE_ENTITY, ""
        case RightsRefused():
            return HTTPStatus.FORBIDDEN, ""
        case ApiFailure():
            return HTTPStatus(error.status), str(error)
        case _:
            for kind, status in _STATUS.items():
                if isinstance(error, kind):
                    return status, str(error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, ""
