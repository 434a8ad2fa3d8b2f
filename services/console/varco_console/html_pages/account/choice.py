"""Which account a page is about: people of one account have no choice."""

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from varco_console.people import BrowserSession
from varco_console.web.context import console_of, person_api


async def choose_account(request: Request, opened: BrowserSession, page: str = "") -> Response:
    """Leads to the page of the person's account, or of the only one; else shows all accounts.

    `page` is the part of the address behind the account, such as `senders`.
    """
    suffix = f"/{page}" if page else ""
    if opened.person.account:
        return RedirectResponse(f"/accounts/{opened.person.account}{suffix}", HTTPStatus.SEE_OTHER)
    accounts = await person_api(request).get("policy", "/accounts")
    if page and len(accounts) == 1:
        return RedirectResponse(f"/accounts/{accounts[0]['account']}{suffix}", HTTPStatus.SEE_OTHER)
    return console_of(request).renderer.page(request, "account/accounts.html", accounts, suffix=suffix)
