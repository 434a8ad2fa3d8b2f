"""Errors as HTTP responses: `application/problem+json` (RFC 9457), never a stack trace."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from varco_common.base import log
from varco_common.base.errors import ConflictError, NotFound, RefusedCommand, TransientError, VarcoError
from varco_common.base.mistakes import Mistake, mistakes

RETRY_AFTER_SECONDS = 2
MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[VarcoError], HTTPStatus] = {
    ConflictError: HTTPStatus.CONFLICT,
    NotFound: HTTPStatus.NOT_FOUND,
    RefusedCommand: HTTPStatus.UNPROCESSABLE_ENTITY,
    TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_log = log.get(__name__)


class _ProblemResponse(JSONResponse):
    """Half of a character that JSON escapes (a lone surrogate) can't be sent in UTF-8: escaped."""

    def render(self, content: object) -> bytes:
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return json.dumps(content).encode()


def problem(
    status: HTTPStatus, detail: str = "", headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """A problem document (RFC 9457 3).

    Its type is `about:blank`, so its title is the phrase of the status.
    """
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **more}
    return _ProblemResponse(
        {name: value for name, value in body.items() if value}, status.value, dict(headers or {}), MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Answers every expected error with a problem; `error_middleware` answers the others."""
    app.add_exception_handler(VarcoError, _varco_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(OverflowError, _out_of_range)


async def _varco_error(_: Request, error: Exception) -> JSONResponse:
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
            return problem(status, str(error), retry)
    raise error


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return problem(status, "" if error.detail == status.phrase else error.detail, error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [mistake for part, errors in _by_part(error) for mistake in _explained(part, errors, error.body, request)]
    errors = [{"where": [*mistake.where], "what": mistake.what} for mistake in wrong]
    named = (".".join(mistake.where).removeprefix("body").removeprefix(".") for mistake in wrong)
    detail = "; ".join(
        f"{name}: {mistake.what}" if name else mistake.what for name, mistake in zip(named, wrong, strict=True)
    )
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def _by_part(error: RequestValidationError) -> list[tuple[str, list[Any]]]:
    """The errors of the body, of the query and so on."""
    parts: dict[str, list[Any]] = {}
    for e in error.errors():
        parts.setdefault(str(e["loc"][0]), []).append({**e, "loc": e["loc"][1:]})
    return [*parts.items()]


def _explained(part: str, errors: list[Any], body: object, request: Request) -> list[Mistake]:
    if part == "body":
        field = getattr(request.scope.get("route"), "body_field", None)
        found = mistakes(errors, body, field.field_info.annotation if field else None)
    else:
        found = mistakes(errors, {e["loc"][0]: e.get("input") for e in errors if e["loc"]})
    return [Mistake((part, *mistake.where), mistake.what) for mistake in found]


async def answer_to(request: Request, error: HTTPException | VarcoError) -> JSONResponse:
    """For middleware, which stands in front of these handlers."""
    return await (_http_error if isinstance(error, HTTPException) else _varco_error)(request, error)


async def _out_of_range(request: Request, error: Exception) -> JSONResponse:
    """Python's dates end with the year 9999, and a request can always name a later one."""
    _log.warning("a request is out of range", path=request.url.path, error=str(error))
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"A number or a time in the request is out of range: {error}.")


def error_middleware(app: ASGIApp) -> ASGIApp:
    """Middleware: logs an unexpected error once, and answers with a problem without details."""

    async def handled(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, receive, watched)
        except Exception as error:
            _log.exception("request failed", path=scope.get("path"), method=scope.get("method"), error=repr(error))
            if begun:
                raise  # part of the response is sent: only closing the connection tells the client
            answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The error is in this service's log.")
            await answer(scope, receive, send)

    return handled


Problem: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or an invalid one", "content": {MEDIA_TYPE: {}}},
    403: {"description": "The token's scope doesn't cover this", "content": {MEDIA_TYPE: {}}},
    404: {"description": "Not there", "content": {MEDIA_TYPE: {}}},
    409: {"description": "Somebody else changed it meanwhile", "content": {MEDIA_TYPE: {}}},
    422: {"description": "Can't be carried out as it is, and why", "content": {MEDIA_TYPE: {}}},
    503: {"description": "A dependency is away: try again", "content": {MEDIA_TYPE: {}}},
}
