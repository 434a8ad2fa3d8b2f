"""The queue: what waits and why; retry, hold, release, drop, for one mail or a whole account."""

import asyncio
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from varco_console.html_pages.queue.view import QueueQuestion, WaitingMail, queue_page, waiting_mails
from varco_console.people import BrowserSession
from varco_console.web.access import PageRoutes, SignedIn, visible_account
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

PAGE, ROUTES, EXPORTED = 25, 20, 1_000  # a page stays below 100 KB

routes = PageRoutes()
Reason = Annotated[str, Form(max_length=1_000)]
NeededReason = Annotated[str, Form(min_length=3, max_length=1_000)]
Back = Annotated[str, Form(max_length=63, description="The account that the page was limited to.")]


class AskedQueue(BaseModel):
    """The form, as it stands in the address of the page."""

    account: str = Field("", max_length=63)
    held: str = Field("", max_length=3)
    cursor: str = Field("", max_length=100)
    routes: str = Field("", max_length=100)

    def question(self, opened: BrowserSession) -> QueueQuestion:
        """Raises 403 for somebody else's account."""
        return QueueQuestion(visible_account(opened, self.account), self.held, self.cursor, self.routes)


@routes.page("/queue")
async def show_queue(request: Request, opened: SignedIn, asked: Annotated[AskedQueue, Query()]) -> Response:
    api, question = person_api(request), asked.question(opened)
    mails, health, accounts = await asyncio.gather(
        api.get("relay", "/queue", limit=PAGE, **question.parameters()),
        api.get("relay", "/routes", limit=ROUTES, account=question.account, cursor=question.routes),
        api.accounts(),
    )
    view = queue_page(question, mails, health, accounts)
    return console_of(request).renderer.page(request, "queue/page.html", view)


@routes.page("/queue.csv")
async def export_queue(request: Request, opened: SignedIn, asked: Annotated[AskedQueue, Query()]) -> Response:
    """The oldest thousand of both kinds."""
    question = asked.question(opened)._replace(cursor="")
    answer = await person_api(request).get("relay", "/queue", limit=EXPORTED, **question.parameters())
    return csv_response("queue.csv", WaitingMail._fields, waiting_mails(answer))


@routes.change("/queue/{mail}/drop")
async def drop(request: Request, mail: str, reason: NeededReason, back: Back = "") -> RedirectResponse:
    """It is lost, and its sender hears nothing."""
    await person_api(request).change("relay", "POST", f"/queue/{_part(mail)}/drop", body={"reason": reason})
    return back_to("/queue", "dropped_one", account=back)


@routes.change("/queue/{mail}/{verb}")
async def change_mail(
    request: Request, mail: str, verb: Literal["retry", "hold", "release"], reason: Reason = "", back: Back = ""
) -> RedirectResponse:
    await person_api(request).change("relay", "POST", f"/queue/{_part(mail)}/{verb}", body={"reason": reason})
    return back_to("/queue", verb, account=back)


@routes.change("/accounts/{account}/queue/drop")
async def drop_all(request: Request, account: str, reason: NeededReason) -> RedirectResponse:
    """All mail of the account that waits for an attempt, unless it is on its way."""
    path = f"{_of(account)}/queue/drop"
    answer = await person_api(request).change("relay", "POST", path, body={"reason": reason})
    done = "dropped_first" if answer["more"] else "dropped_some" if answer["left"] else "dropped"
    return back_to("/queue", done, account=account, count=answer["mails"], left=answer["left"])


@routes.change("/accounts/{account}/queue/retry")
async def retry_all(request: Request, account: str, reason: Reason = "") -> RedirectResponse:
    path = f"{_of(account)}/queue/retry"
    answer = await person_api(request).change("relay", "POST", path, body={"reason": reason})
    return back_to("/queue", "retry_all", account=account, count=answer["mails"])


@routes.change("/accounts/{account}/queue/{verb}")
async def hold_all(
    request: Request, account: str, verb: Literal["hold", "release"], reason: Reason = ""
) -> RedirectResponse:
    """No mail of the account leaves until it is released, also mail yet to come."""
    await person_api(request).change("relay", "POST", f"{_of(account)}/route/{verb}", reason=reason)
    return back_to("/queue", f"{verb}_all", account=account)


def _of(account: str) -> str:
    return f"/accounts/{_part(account)}"


def _part(text: str) -> str:
    return quote(text, safe="")
