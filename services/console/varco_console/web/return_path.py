"""Where a person goes on after signing in: a path of the console, never another site."""

from urllib.parse import quote

from fastapi import Request


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
