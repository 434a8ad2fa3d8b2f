"""Cookies of the console. Behind TLS their names begin with `__Host-` (RFC 6265bis 4.1.3)."""

from datetime import timedelta

from fastapi import Request
from fastapi.responses import Response

SESSION = "varco_session"
FORM = "varco_form"
LANGUAGE = "varco_language"
OIDC = "varco_oidc"


def read_cookie(request: Request, name: str) -> str:
    return request.cookies.get(_full_name(request, name), "")


def set_cookie(request: Request, response: Response, name: str, value: str, life: timedelta | None = None) -> None:
    """Without `life` the browser forgets it when it ends. No script can read it."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=int(life.total_seconds()) if life else None,
        path="/",
        secure=_has_tls(request),
        httponly=True,
        samesite="lax",
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(_full_name(request, name), path="/", secure=_has_tls(request), httponly=True, samesite="lax")


def _full_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _has_tls(request) else name


def _has_tls(request: Request) -> bool:
    return bool(request.app.state.console.has_tls)
