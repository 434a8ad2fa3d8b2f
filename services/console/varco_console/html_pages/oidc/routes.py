"""Signing in with the OpenID provider: there, and back."""

from datetime import timedelta
from http import HTTPStatus
from secrets import compare_digest

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from varco_common.base import log
from varco_common.base.errors import NotFound
from varco_console import metrics
from varco_console.commands import Proof
from varco_console.oidc import OidcAttempt, OidcFailure, OidcProvider
from varco_console.web.access import PageRoutes
from varco_console.web.context import console_of
from varco_console.web.cookies import OIDC, delete_cookie, read_cookie, set_cookie
from varco_console.web.return_path import safe_path
from varco_console.web.session_answer import agent_of, host_of, signed_in_answer

ATTEMPT_LIFE = timedelta(minutes=10)

_log = log.get(__name__)
routes = PageRoutes()


@routes.public_page("/login/provider")
async def go_to_provider(request: Request, next: str = "/") -> Response:  # noqa: A002 - its name in the address
    attempt = OidcAttempt.new(safe_path(next))
    try:
        url = await _provider(request).authorization_url(attempt)
    except OidcFailure as failure:
        return _refusal(request, "provider_away", failure)
    answer = RedirectResponse(url, HTTPStatus.SEE_OTHER)
    set_cookie(request, answer, OIDC, attempt.cookie, ATTEMPT_LIFE)
    return answer


@routes.public_page("/login/provider/back")
async def come_back(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
    """RFC 6749 4.1.2. The cookie shows that this browser began the attempt."""
    provider, attempt = _provider(request), OidcAttempt.parse(read_cookie(request, OIDC))
    if not attempt or not compare_digest(attempt.state.encode(), state.encode()) or error or not code:
        return _refusal(request, "provider_broken_off", OidcFailure(error or "another attempt, or none"))
    try:
        name = await provider.name_of(code, attempt)
    except OidcFailure as failure:
        return _refusal(request, "provider_broken_off", failure)
    people = console_of(request).people
    if not (person := people.get(name)):
        return _refusal(request, "provider_unknown", OidcFailure(f"{name} is nobody here"), name)
    proof = Proof(person, provider=provider.client.issuer)
    secret = await people.sign_in(proof, host_of(request), agent_of(request))
    metrics.SIGN_INS.labels("provider").inc()
    answer = signed_in_answer(request, secret, attempt.next)
    delete_cookie(request, answer, OIDC)
    return answer


def _provider(request: Request) -> OidcProvider:
    """Raises NotFound where no provider is set."""
    if not (provider := console_of(request).provider):
        raise NotFound
    return provider


def _refusal(request: Request, text: str, failure: OidcFailure, name: str = "") -> Response:
    """The page to sign in, with what happened; operators find more in the log."""
    _log.warning("nobody was signed in by the provider", reason=str(failure))
    metrics.SIGN_INS.labels(text.replace("_", "-")).inc()
    answer = console_of(request).renderer.page(
        request, "sign_in/page.html", status=HTTPStatus.FORBIDDEN, next="/", refusal=text, who=name
    )
    delete_cookie(request, answer, OIDC)
    return answer
