"""The quotas of an account: bars, exceptions, resets."""

import asyncio
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from varco_common.runtime.request_model import AccountName
from varco_console.html_pages.account.choice import Asked, choose_account
from varco_console.html_pages.limits.view import METERS, exception_body, limits_page, shares
from varco_console.people import BrowserSession
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import OPERATORS, PageRoutes, SignedIn
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

SHOWN, EXPORTED = 50, 1_000
COLUMNS = ("sender", "messages", "recipients", "bytes", "percent")

routes = PageRoutes()
NeededReason = Annotated[str, Form(min_length=3, max_length=1_000)]
Sender = Annotated[str, Form(max_length=320)]
Amount = Annotated[str, Field(max_length=40)]
_ANSWERED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


class LimitExceptionForm(BaseModel):
    """Other limits a day, or `unlimited`. An empty field keeps the limit of the account."""

    model_config = ConfigDict(extra="ignore")  # the form's token

    sender: str = Field(min_length=1, max_length=320)
    messages: Amount = ""
    recipients: Amount = ""
    bytes: Amount = ""
    first_time_recipients: Amount = ""
    until: date | Literal[""] = ""
    reason: str = Field(min_length=3, max_length=1_000)


@routes.page("/limits")
async def choose(request: Request, opened: SignedIn, asked: Asked) -> Response:
    return await choose_account(request, opened, asked, "limits")


@routes.page("/accounts/{account}/limits")
async def show_limits(
    request: Request, account: AccountName, opened: SignedIn, sender: Annotated[str, Query(max_length=320)] = ""
) -> Response:
    """`sender` is one whose limits are shown, too."""
    return await _page(request, account, opened, sender.strip())


@routes.page("/accounts/{account}/limits.csv")
async def export_usage(request: Request, account: AccountName) -> Response:
    """The senders nearest to their limits."""
    usage = await person_api(request).get("ratelimit", f"{_path(account)}/senders", limit=EXPORTED)
    return csv_response(f"limits-{account}.csv", COLUMNS, shares(usage))


@routes.change("/accounts/{account}/limits/exceptions", roles=OPERATORS)
async def add_exception(
    request: Request, account: AccountName, opened: SignedIn, form: Annotated[LimitExceptionForm, Form()]
) -> Response:
    body = exception_body({meter: getattr(form, meter) for meter in METERS}, str(form.until))
    command = _change("PUT", f"/exceptions/{quote(form.sender.strip(), safe='')}", form.reason, body)
    return await _changed(request, account, opened, command, "excepted")


@routes.change("/accounts/{account}/limits/exceptions/remove", roles=OPERATORS)
async def remove_exception(
    request: Request, account: AccountName, opened: SignedIn, sender: Sender, reason: NeededReason
) -> Response:
    command = _change("DELETE", f"/exceptions/{quote(sender, safe='')}", reason)
    return await _changed(request, account, opened, command, "removed")


@routes.change("/accounts/{account}/limits/reset", roles=OPERATORS)
async def reset(request: Request, account: AccountName, reason: NeededReason, sender: Sender = "") -> RedirectResponse:
    """What was sent until now counts no more: of a sender, or of the account as a whole."""
    path = f"{_path(account)}/resets"
    await person_api(request).change("ratelimit", "POST", path, reason=reason, body={"sender": sender})
    return back_to(f"/accounts/{account}/limits", "reset")


def _change(method: str, path: str, reason: str, body: object = None) -> dict[str, Any]:
    return {"method": method, "path": path, "reason": reason, "body": body}


async def _changed(
    request: Request, account: str, opened: BrowserSession, command: dict[str, Any], done: str
) -> Response:
    path = f"{_path(account)}{command.pop('path')}"
    try:
        await person_api(request).change("ratelimit", command.pop("method"), path, **command)
    except ApiFailure as failure:
        if failure.status not in _ANSWERED:
            raise
        return await _page(request, account, opened, "", failure)
    return back_to(f"/accounts/{account}/limits", done)


async def _page(
    request: Request, account: str, opened: BrowserSession, sender: str, failure: ApiFailure | None = None
) -> Response:
    api = person_api(request)
    quotas, senders, asked = await asyncio.gather(
        api.get("ratelimit", _path(account)),
        api.get("ratelimit", f"{_path(account)}/senders", limit=SHOWN),
        _asked(api, account, sender),
    )
    view = limits_page(opened.person, quotas, senders, asked)._replace(mistake=str(failure or ""))
    status = HTTPStatus(failure.status) if failure else HTTPStatus.OK
    return console_of(request).renderer.page(request, "limits/page.html", view, status=status)


async def _asked(api: PersonApi, account: str, sender: str) -> list[Any]:
    if not sender:
        return []
    path = f"/quotas/senders/{quote(sender, safe='')}"
    answer: list[Any] = await api.get("ratelimit", path, account=account, mails=0)
    return answer


def _path(account: str) -> str:
    return f"/accounts/{quote(account, safe='')}/quotas"
