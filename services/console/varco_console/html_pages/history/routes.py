"""The changes of an account's settings, and the opposite of one of them."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path, Query, Request
from fastapi.responses import Response

from varco_common.account_file.parsing import AccountFileError
from varco_common.runtime.request_model import AccountName
from varco_console.html_pages.account.account_files import printed
from varco_console.html_pages.account.difference_page import difference_page
from varco_console.html_pages.events.view import lines
from varco_console.html_pages.history.view import LOOKED_AT, account_history, asked_for, matching
from varco_console.people import BrowserSession
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import PageRoutes, SignedIn
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.rendering import language_of
from varco_console.web.texts import Texts

COLUMNS = ("event", "time", "fact", "account", "who", "reason", "details")

routes = PageRoutes()
Filter = Annotated[str, Query(max_length=200)]
EventNumber = Annotated[int, Path(ge=1)]
_ANSWERED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


@routes.page("/accounts/{account}/history")
async def show_history(
    request: Request,
    account: AccountName,
    opened: SignedIn,
    before: Annotated[int, Query(ge=0)] = 0,
    filter: Filter = "",  # noqa: A002 - its name in the address
) -> Response:
    return await _page(request, account, opened, before=before, text=filter)


@routes.page("/accounts/{account}/history.csv")
async def export_history(request: Request, account: AccountName, filter: Filter = "") -> Response:  # noqa: A002
    """Of the newest thousand."""
    changes, tokens = await _answers(person_api(request), account, 0, LOOKED_AT)
    return csv_response(f"history-{account}.csv", COLUMNS, matching(lines(changes, tokens), filter))


@routes.change("/accounts/{account}/history/{event}/undo")
async def undo(request: Request, account: AccountName, event: EventNumber, opened: SignedIn) -> Response:
    """Shows the opposite change as a difference, which is applied as any other."""
    path = f"{_path(account)}/{event}/undo"
    try:
        patch = (await person_api(request).replay("audit", path))["patch"]
        reason = Texts("history", language_of(request))("undo_reason", event=event)
        text = await printed({"account": account, **patch})
        return await difference_page(request, account, text, reason=reason)
    except AccountFileError as error:
        return await _page(request, account, opened, mistake=str(error))
    except ApiFailure as failure:
        if failure.status not in _ANSWERED:
            raise
        return await _page(request, account, opened, mistake=str(failure))


async def _page(
    request: Request, account: str, opened: BrowserSession, *, before: int = 0, text: str = "", mistake: str = ""
) -> Response:
    answers = await _answers(person_api(request), account, before, asked_for(text))
    view = account_history(opened.person, account, *answers, text)._replace(mistake=mistake)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.OK
    return console_of(request).renderer.page(request, "history/page.html", view, status=status)


async def _answers(api: PersonApi, account: str, before: int, limit: int) -> tuple[Any, Any]:
    return await asyncio.gather(
        api.get("audit", _path(account), before=before or None, limit=limit), api.get("audit", "/token-names")
    )


def _path(account: str) -> str:
    return f"/accounts/{quote(account, safe='')}/changes"
