"""The senders of an account: listed, tested, added, removed, imported and exported."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import File, Form, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from varco_common.base.errors import RefusedCommand
from varco_common.runtime.request_model import AccountName
from varco_console.html_pages.account.choice import Asked, choose_account
from varco_console.html_pages.senders.sender_changes import add, current_senders, path, refused
from varco_console.html_pages.senders.sender_import import read_senders
from varco_console.html_pages.senders.view import SenderTest, matching, preview, sender_list
from varco_console.people import BrowserSession
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import PageRoutes, SignedIn
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

routes = PageRoutes()
Reason = Annotated[str, Form(max_length=1_000)]
_DONE = {"PUT": "added", "DELETE": "removed"}
_ANSWERED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


class AskedSenders(BaseModel):
    """What the page is asked for: a filter, where the list begins, and a question about a login."""

    filter: str = Field(default="", max_length=320)
    start: int = Field(default=0, ge=0)
    address: str = Field(default="", max_length=320)
    login: str = Field(default="", max_length=254)


class SenderForm(BaseModel):
    """An address, a domain or its subdomains, to be added or removed."""

    model_config = ConfigDict(extra="ignore")  # the form's token

    pattern: str = Field(min_length=1, max_length=320)
    reason: str = Field(default="", max_length=1_000)


@routes.page("/senders")
async def choose(request: Request, opened: SignedIn, asked: Asked) -> Response:
    return await choose_account(request, opened, asked, "senders")


@routes.page("/accounts/{account}/senders")
async def show_senders(
    request: Request, account: AccountName, opened: SignedIn, asked: Annotated[AskedSenders, Query()]
) -> Response:
    return await _page(request, account, opened, asked)


@routes.page("/accounts/{account}/senders.csv")
async def export_senders(request: Request, account: AccountName, filter: str = "") -> Response:  # noqa: A002
    senders = matching(await current_senders(person_api(request), account), filter)
    return csv_response(f"senders-{account}.csv", ("sender", "since"), senders)


@routes.change("/accounts/{account}/senders")
async def add_sender(
    request: Request, account: AccountName, opened: SignedIn, form: Annotated[SenderForm, Form()]
) -> Response:
    return await _changed(request, account, opened, "PUT", form)


@routes.change("/accounts/{account}/senders/remove")
async def remove_sender(
    request: Request, account: AccountName, opened: SignedIn, form: Annotated[SenderForm, Form()]
) -> Response:
    return await _changed(request, account, opened, "DELETE", form)


@routes.change("/accounts/{account}/senders/preview")
async def preview_import(
    request: Request,
    account: AccountName,
    text: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """What a CSV file would add. Changes nothing."""
    api = person_api(request)
    content = read_senders(
        text or await _text_of(file), {entry["pattern"] for entry in await current_senders(api, account)}
    )
    view = preview(account, content.without(await refused(api, account, content.new)))
    return console_of(request).renderer.page(request, "senders/preview.html", view)


@routes.change("/accounts/{account}/senders/import")
async def import_senders(
    request: Request, account: AccountName, new: Annotated[str, Form()], reason: Reason = ""
) -> RedirectResponse:
    """Adds the senders that the preview has shown, all in one change."""
    senders = [*filter(None, new.splitlines())]
    await add(person_api(request), account, senders, reason)
    return back_to(f"/accounts/{account}/senders", "imported", count=len(senders))


async def _changed(request: Request, account: str, opened: BrowserSession, method: str, form: SenderForm) -> Response:
    command = f"{path(account)}/senders/{quote(form.pattern.strip(), safe='')}"
    try:
        await person_api(request).change("policy", method, command, reason=form.reason)
    except ApiFailure as failure:
        if failure.status not in _ANSWERED:
            raise
        return await _page(request, account, opened, AskedSenders(), failure)
    return back_to(f"/accounts/{account}/senders", _DONE[method])


async def _page(
    request: Request, account: str, opened: BrowserSession, asked: AskedSenders, failure: ApiFailure | None = None
) -> Response:
    api = person_api(request)
    senders = matching(await current_senders(api, account), asked.filter)
    view = sender_list(opened.person, account, senders, asked.model_dump(), await _tested(api, account, asked))
    view = view._replace(mistake=str(failure or ""))
    status = HTTPStatus(failure.status) if failure else HTTPStatus.OK
    return console_of(request).renderer.page(request, "senders/page.html", view, status=status)


async def _tested(api: PersonApi, account: str, asked: AskedSenders) -> SenderTest:
    """Without a login it is the account, as from one of its networks."""
    address, login = asked.address.strip(), asked.login.strip()
    if not address:
        return SenderTest(login=login)
    who = {"login": login} if login else {"account": account}
    try:
        answer = await api.change("policy", "POST", "/senders/test", body={"address": address, **who})
    except ApiFailure as failure:
        if failure.status not in _ANSWERED:
            raise
        return SenderTest(address, login, why=str(failure))
    return SenderTest(address, login, answer["allowed"], answer["why"])


async def _text_of(file: UploadFile | None) -> str:
    """Raises RefusedCommand."""
    try:
        return (await file.read()).decode("utf-8-sig") if file else ""
    except UnicodeDecodeError:
        raise RefusedCommand("the file is not UTF-8: save it as UTF-8") from None
