"""The answer that begins a session in a browser."""

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import RedirectResponse

from varco_console.commands import SESSION_LIFE
from varco_console.secret_values import SecretValue
from varco_console.web.cookies import FORM, SESSION, delete_cookie, set_cookie
from varco_console.web.return_path import safe_path

MAX_AGENT = 200


def signed_in_answer(request: Request, secret: SecretValue, next_path: str) -> RedirectResponse:
    """Sets the cookie, and leads to the page that was asked for."""
    answer = RedirectResponse(safe_path(next_path), HTTPStatus.SEE_OTHER)
    set_cookie(request, answer, SESSION, secret.text, SESSION_LIFE)
    delete_cookie(request, answer, FORM)
    return answer


def host_of(request: Request) -> str:
    return request.client.host if request.client else ""


def agent_of(request: Request) -> str:
    """What the browser calls itself."""
    return request.headers.get("user-agent", "")[:MAX_AGENT]
