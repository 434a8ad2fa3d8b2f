"""Where a person goes on after signing in: a path of the console, never another site."""

from collections.abc import Iterable
from urllib.parse import quote

from fastapi import Request
from starlette.routing import BaseRoute, Match


def sign_in_path(request: Request) -> str:
    """The page to sign in, which leads back to the page that was asked for."""
    if request.method != "GET" or request.url.path == "/":
        return "/login"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/login?next={quote(request.url.path + query, safe='')}"


def safe_path(asked: str) -> str:
    """The path, if it is one of this site; else the first page."""
    local = asked.startswith("/") and not asked.startswith(("//", "/\\"))
    return asked if local and asked.isprintable() else "/"


def page_above(request: Request, routes: Iterable[BaseRoute]) -> str:
    """The nearest page above an address that only takes forms: it is asked for on reloading."""
    routes, path = [*routes], request.url.path
    while path := path.rpartition("/")[0]:
        scope = {**request.scope, "method": "GET", "path": path}
        if any(route.matches(scope)[0] is Match.FULL for route in routes):
            break
    return path or "/"
