"""Signing in and out, setting a password by a link, choosing a language."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from varco_common.base.errors import NotFound
from varco_common.events import SignOutCause
from varco_console.commands import SESSION_LIFE
from varco_console.people import BrowserSession
from varco_console.secret_values import SecretValue
from varco_console.web.access import ALL_ROLES, PageRoutes, SignedIn
from varco_console.web.context import console_of
from varco_console.web.cookies import FORM, LANGUAGE, SESSION, delete_cookie, set_cookie
from varco_console.web.return_path import safe_path
from varco_console.web.texts import LANGUAGES

MIN_PASSWORD = 12  # characters
MAX_AGENT = 200
LANGUAGE_LIFE = timedelta(days=365)

routes = PageRoutes()
Text = Annotated[str, Form(max_length=1_024)]


@routes.public_page("/login")
async def show_sign_in(
    request: Request, next_path: Annotated[str, Query(alias="next")] = "/", done: str = ""
) -> Response:
    if request.state.session:
        return _go(safe_path(next_path))
    return console_of(request).renderer.page(request, "sign_in/page.html", next=safe_path(next_path), done=bool(done))


@routes.public_change("/login")
async def sign_in(
    request: Request, name: Text = "", password: Text = "", next_path: Annotated[str, Form(alias="next")] = "/"
) -> Response:
    console, agent = console_of(request), request.headers.get("user-agent", "")[:MAX_AGENT]
    outcome = await console.sign_in.attempt(name, password, _host(request), agent)
    if not isinstance(outcome, SecretValue):
        return console.renderer.page(
            request,
            "sign_in/page.html",
            status=HTTPStatus.FORBIDDEN,
            next=safe_path(next_path),
            name=name,
            refusal=outcome.name.lower(),
        )
    answer = _go(safe_path(next_path))
    set_cookie(request, answer, SESSION, outcome.text, SESSION_LIFE)
    delete_cookie(request, answer, FORM)
    return answer


@routes.change("/logout", roles=ALL_ROLES)
async def sign_out(request: Request, opened: SignedIn) -> Response:
    await _end(request, opened, opened.secret.digest, SignOutCause.SIGNED_OUT)
    answer = _go("/login")
    delete_cookie(request, answer, SESSION)
    return answer


@routes.page("/me")
async def show_own_sessions(request: Request, opened: SignedIn) -> Response:
    people = console_of(request).people
    sessions = [
        (digest, session, people.last_use(digest, session))
        for digest, session in opened.person.sessions.items()
        if opened.person.session(digest, datetime.now(UTC))
    ]
    sessions.sort(key=lambda entry: entry[2], reverse=True)
    return console_of(request).renderer.page(request, "sign_in/me.html", sessions, own=opened.secret.digest)


@routes.change("/me/sessions", roles=ALL_ROLES)
async def end_own_session(request: Request, opened: SignedIn, session: Text) -> Response:
    await _end(request, opened, session, SignOutCause.REVOKED)
    return _go("/me")


@routes.public_page("/password/{link}")
async def show_password_form(request: Request, link: str) -> Response:
    if not (person := console_of(request).people.link_person(link)):
        raise NotFound
    return console_of(request).renderer.page(request, "sign_in/password.html", person, least=MIN_PASSWORD)


@routes.public_change("/password/{link}")
async def set_password(request: Request, link: str, password: Text = "", again: Text = "") -> Response:
    console = console_of(request)
    if not (person := console.people.link_person(link)):
        raise NotFound
    mistake = "short" if len(password) < MIN_PASSWORD else "different" if password != again else ""
    if mistake:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return console.renderer.page(
            request, "sign_in/password.html", person, status=status, mistake=mistake, least=MIN_PASSWORD
        )
    await console.people.set_password(link, password)
    return _go("/login?done=password")


@routes.public_change("/language")
async def choose_language(
    request: Request, language: Text, next_path: Annotated[str, Form(alias="next")] = "/"
) -> Response:
    answer = _go(safe_path(next_path))
    if language in LANGUAGES:
        set_cookie(request, answer, LANGUAGE, language, LANGUAGE_LIFE)
    return answer


async def _end(request: Request, opened: BrowserSession, session: str, cause: SignOutCause) -> None:
    name = opened.person.name
    await console_of(request).people.sign_out(name, [session], f"person:{name}", cause)


def _go(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def _host(request: Request) -> str:
    return request.client.host if request.client else ""
