"""Signing in and out, setting a password by a link, choosing a language."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup
from pydantic import BaseModel, Field

from varco_common.base.errors import NotFound
from varco_common.events import SignOutCause
from varco_console.people import BrowserSession
from varco_console.second_factor import code_step, new_factor_secret, setup_uri
from varco_console.secret_values import SecretValue
from varco_console.sign_in import GivenSecrets
from varco_console.web.access import ALL_ROLES, PageRoutes, SignedIn, opened_session
from varco_console.web.confirmation import unproven
from varco_console.web.context import console_of
from varco_console.web.cookies import LANGUAGE, SESSION, delete_cookie, set_cookie
from varco_console.web.notices import back_to
from varco_console.web.return_path import safe_path
from varco_console.web.session_answer import agent_of, host_of, signed_in_answer
from varco_console.web.texts import LANGUAGES

MIN_PASSWORD = 12  # characters
LANGUAGE_LIFE = timedelta(days=365)

routes = PageRoutes()
Text = Annotated[str, Form(max_length=1_024)]


class SignInForm(BaseModel):
    """`code` is for those who have a second factor."""

    name: str = Field("", max_length=1_024)
    password: str = Field("", max_length=1_024)
    code: str = Field("", max_length=20)
    next: str = "/"


@routes.public_page("/login")
async def show_sign_in(request: Request, next_path: Annotated[str, Query(alias="next")] = "/") -> Response:
    if request.state.session:
        return _go(safe_path(next_path))
    return console_of(request).renderer.page(request, "sign_in/page.html", next=safe_path(next_path))


@routes.public_change("/login")
async def sign_in(request: Request, form: Annotated[SignInForm, Form()]) -> Response:
    console = console_of(request)
    given = GivenSecrets(form.name, form.password, form.code)
    outcome = await console.sign_in.attempt(given, host_of(request), agent_of(request))
    if not isinstance(outcome, SecretValue):
        return console.renderer.page(
            request,
            "sign_in/page.html",
            status=HTTPStatus.FORBIDDEN,
            next=safe_path(form.next),
            name=form.name,
            refusal=outcome.name.lower(),
        )
    return signed_in_answer(request, outcome, form.next)


@routes.change("/me/second-factor/remove", roles=ALL_ROLES)
async def remove_factor(request: Request, opened: SignedIn, proof: Text = "") -> Response:
    """A session alone, which may be stolen, is not enough."""
    if opened.person.factor:
        if refusal := await unproven(request, opened, proof):
            return await _own_page(request, opened, refusal)
        await console_of(request).people.remove_factor(opened.person.name, opened.by)
    return back_to("/me", "factor_removed")


@routes.page("/me/second-factor")
async def show_factor_form(request: Request) -> Response:
    return _factor_page(request, new_factor_secret(), "")


@routes.change("/me/second-factor", roles=ALL_ROLES)
async def set_factor(
    request: Request,
    opened: SignedIn,
    secret: Annotated[str, Form(pattern=r"^[A-Z2-7]{32}$")],
    code: Annotated[str, Form(max_length=20)] = "",
    proof: Text = "",
) -> Response:
    """A code shows that the app has the secret; the proof, that nobody stole the session."""
    if not (step := code_step(secret, code, datetime.now(UTC), 0)):
        return _factor_page(request, secret, "code")
    if refusal := await unproven(request, opened, proof):
        return _factor_page(request, secret, refusal)
    console = console_of(request)
    await console.people.set_factor(opened.person.name, console.seal.encrypt(secret), step)
    return back_to("/me", "factor_set")


@routes.change("/logout", roles=ALL_ROLES)
async def sign_out(request: Request, opened: SignedIn) -> RedirectResponse:
    await _end(request, opened, opened.secret.digest, SignOutCause.SIGNED_OUT)
    answer = _go("/login")
    delete_cookie(request, answer, SESSION)
    return answer


@routes.page("/me")
async def show_own_sessions(request: Request, opened: SignedIn) -> Response:
    return await _own_page(request, opened)


@routes.change("/me/sessions", roles=ALL_ROLES)
async def end_own_session(request: Request, opened: SignedIn, session: Text) -> RedirectResponse:
    await _end(request, opened, session, SignOutCause.REVOKED)
    return back_to("/me", "session_ended")


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
    return back_to("/login", "password")


@routes.public_change("/language")
async def choose_language(
    request: Request, language: Text, next_path: Annotated[str, Form(alias="next")] = "/"
) -> RedirectResponse:
    answer = _go(safe_path(next_path))
    if language in LANGUAGES:
        set_cookie(request, answer, LANGUAGE, language, LANGUAGE_LIFE)
    return answer


async def _own_page(request: Request, opened: BrowserSession, refusal: str = "") -> Response:
    people = console_of(request).people
    sessions = [
        (digest, session, people.last_use(digest, session))
        for digest, session in opened.person.sessions.items()
        if opened.person.session(digest, datetime.now(UTC))
    ]
    sessions.sort(key=lambda entry: entry[2], reverse=True)
    return console_of(request).renderer.page(
        request, "sign_in/me.html", sessions, own=opened.secret.digest, refusal=refusal, status=_status(refusal)
    )


def _status(refusal: str) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK


def _factor_page(request: Request, secret: str, refusal: str) -> Response:
    import segno  # noqa: PLC0415 - few people set up codes

    uri = setup_uri(secret, opened_session(request).person.name)
    code = Markup(segno.make(uri).svg_inline(scale=5, border=4, light="white", omitsize=True))  # noqa: S704 - its own SVG
    return console_of(request).renderer.page(
        request,
        "sign_in/second_factor.html",
        status=_status(refusal),
        secret=secret,
        qr_code=code,
        refusal=refusal,
    )


async def _end(request: Request, opened: BrowserSession, session: str, cause: SignOutCause) -> None:
    name = opened.person.name
    await console_of(request).people.sign_out(name, [session], f"person:{name}", cause)


def _go(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
