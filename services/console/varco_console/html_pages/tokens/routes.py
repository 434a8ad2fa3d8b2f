"""The tokens of the APIs: list, issue, revoke."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from varco_console.html_pages.tokens.view import token_list
from varco_console.people import BrowserSession
from varco_console.web.access import OPERATORS, PageRoutes, SignedIn, visible_account
from varco_console.web.confirmation import unproven
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

COLUMNS = ("id", "name", "issued_at", "until", "used_at")

routes = PageRoutes()
Reason = Annotated[str, Form(max_length=1_000)]
Account = Annotated[str, Form(max_length=63)]


@routes.page("/tokens")
async def show_tokens(request: Request, opened: SignedIn, account: str = "") -> Response:
    return await _page(request, opened, visible_account(opened, account))


@routes.page("/tokens.csv")
async def export_tokens(request: Request, opened: SignedIn, account: str = "") -> Response:
    """Never their text, which only the answer to an issue has."""
    tokens = await person_api(request).get("policy", _path(visible_account(opened, account)))
    return csv_response("tokens.csv", COLUMNS, ([token[name] or "" for name in COLUMNS] for token in tokens))


@routes.change("/tokens", roles=OPERATORS)
async def issue_token(
    request: Request,
    opened: SignedIn,
    name: Annotated[str, Form(min_length=1, max_length=100)],
    account: Account = "",
    reason: Reason = "",
    *,
    until: Annotated[str, Form(pattern=r"^(\d{4}-\d\d-\d\d)?$", description="A day, UTC.")] = "",
    proof: Annotated[str, Form(max_length=1_024, description="The operator's own password or code.")] = "",
) -> Response:
    """Only this answer has the token. As it outlives the session, the operator proves who it is."""
    if refusal := await unproven(request, opened, proof):
        return await _page(request, opened, account, refusal=refusal)
    body = {"name": name} | ({"until": f"{until}T23:59:59Z"} if until else {})
    answer = await person_api(request).change("policy", "POST", _path(account), reason=reason, body=body)
    return await _page(request, opened, account, answer["token"])


@routes.change("/tokens/{token}/revoke")
async def revoke_token(
    request: Request, token: str, opened: SignedIn, account: Account = "", reason: Reason = ""
) -> RedirectResponse:
    account = visible_account(opened, account)
    path = f"{_path(account)}/{quote(token, safe='')}"
    await person_api(request).change("policy", "DELETE", path, reason=reason)
    return back_to("/tokens", "revoked", account=account)


async def _page(
    request: Request, opened: BrowserSession, account: str, issued: str = "", refusal: str = ""
) -> Response:
    api = person_api(request)
    tokens = await api.get("policy", _path(account))
    view = token_list(opened.person, account, tokens, await api.accounts(), issued)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK
    return console_of(request).renderer.page(request, "tokens/page.html", view, status=status, refusal=refusal)


def _path(account: str) -> str:
    return f"/accounts/{quote(account, safe='')}/tokens" if account else "/tokens"
