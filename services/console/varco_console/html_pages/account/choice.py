"""Which account a page is about: people of one account have no choice."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from varco_console.html_pages.account.account_list import account_list
from varco_console.people import BrowserSession
from varco_console.web.context import console_of, person_api


class AskedAccounts(BaseModel):
    """Which accounts are listed: those whose names contain the filter, from a place on."""

    filter: str = Field(default="", max_length=63)
    start: int = Field(default=0, ge=0)


Asked = Annotated[AskedAccounts, Query()]


async def choose_account(request: Request, opened: BrowserSession, asked: AskedAccounts, page: str = "") -> Response:
    """Leads to the page of the person's account, or of the only one; else shows all accounts.

    `page` is the part of the address behind the account, such as `senders`.
    """
    suffix = f"/{page}" if page else ""
    if opened.person.account:
        return RedirectResponse(f"/accounts/{opened.person.account}{suffix}", HTTPStatus.SEE_OTHER)
    accounts = await person_api(request).get("policy", "/accounts")
    if page and len(accounts) == 1:
        return RedirectResponse(f"/accounts/{accounts[0]['account']}{suffix}", HTTPStatus.SEE_OTHER)
    view = account_list(accounts, asked.filter, asked.start, page)
    return console_of(request).renderer.page(request, "account/accounts.html", view)
