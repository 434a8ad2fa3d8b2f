"""Tokens in forms: only a page of ours, in the browser that shows it, can send a change."""

from fastapi import HTTPException, Request
from fastapi.responses import Response

from varco_console.secret_values import SecretValue, new_secret, parse_secret
from varco_console.web.cookies import FORM, read_cookie, set_cookie

FIELD = "form_token"


async def check_form_token(request: Request) -> None:
    """Raises 403 unless the form has its token, and comes from a page of this console."""
    form = await request.form()
    secret = form_secret(request)
    if not secret or not secret.allows(str(form.get(FIELD, ""))) or not _comes_from_here(request):
        raise HTTPException(403, "form")


def form_secret(request: Request) -> SecretValue | None:
    """That of the session; of a cookie of its own where nobody is signed in."""
    if opened := getattr(request.state, "session", None):
        return opened.secret  # type: ignore[no-any-return]
    cookie = read_cookie(request, FORM)
    return parse_secret(cookie) if cookie else None


def form_token(request: Request) -> str:
    """The token for a form on the page that answers this request."""
    secret = form_secret(request) or getattr(request.state, "new_form_secret", None)
    if not secret:
        secret = request.state.new_form_secret = new_secret()
    return secret.form_token


def keep_form_secret(request: Request, response: Response) -> None:
    """Sets the cookie that a form on this page needs."""
    if secret := getattr(request.state, "new_form_secret", None):
        set_cookie(request, response, FORM, secret.text)


def _comes_from_here(request: Request) -> bool:
    """Browsers say where a form stands; a program that says nothing has the token."""
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")
