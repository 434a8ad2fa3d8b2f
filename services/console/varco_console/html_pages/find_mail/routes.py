"""Find a mail by whatever is known of it; results appear while one types."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from varco_console.html_pages.find_mail.view import MailList, Question, found_mail, mail_list
from varco_console.people import BrowserSession
from varco_console.service_apis import PAGE_SECONDS
from varco_console.web.access import PageRoutes, SignedIn, visible_account
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response

routes = PageRoutes()
COLUMNS = ("mail", "at", "account", "sender", "recipients", "subject", "accepted", "answer")
MAX_EXPORTED_PAGES, PAGE = 50, 200


class AskedMails(BaseModel):
    """The form, as it stands in the address of the page."""

    what: str = Field("", max_length=1_000)
    account: str = Field("", max_length=63)
    outcome: str = ""
    period: str = ""
    cursor: int = 0

    def question(self, opened: BrowserSession) -> Question:
        """Raises 403 for somebody else's account."""
        account = visible_account(opened, self.account)
        return Question(self.what.strip(), account, self.outcome, self.period, self.cursor)


@routes.page("/mails")
async def find_mail(request: Request, opened: SignedIn, asked: Annotated[AskedMails, Query()]) -> Response:
    found = await _found(request, opened, asked.question(opened))
    return console_of(request).renderer.page(request, "find_mail/page.html", found)


@routes.page("/mails.csv")
async def export_mails(request: Request, opened: SignedIn, asked: Annotated[AskedMails, Query()]) -> Response:
    """The first 10,000 mails."""
    question = asked.question(opened)._replace(cursor=0)
    api, now, rows = person_api(request), datetime.now(UTC), []
    for _ in range(MAX_EXPORTED_PAGES):
        answer = await api.get("audit", "/mails", limit=PAGE, **question.parameters(now))
        rows += [found_mail(summary) for summary in answer["mails"]]
        question = question._replace(cursor=answer["next"])
        if not answer["next"]:
            break
    return csv_response("mails.csv", COLUMNS, rows)


async def _found(request: Request, opened: BrowserSession, question: Question) -> MailList:
    api = person_api(request)
    answer = await api.get("audit", "/mails", seconds=PAGE_SECONDS, **question.parameters(datetime.now(UTC)))
    return mail_list(question, answer, opened.person, tuple(await api.accounts()))
