"""Copies: mailboxes and what waits in them, search, export."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from varco_console.html_pages.copies.export import PAGE as EXPORTED
from varco_console.html_pages.copies.export import ExportedCopies, exported
from varco_console.html_pages.copies.view import CopiesQuestion, FoundCopy, copies_page, found_copies, times
from varco_console.people import BrowserSession
from varco_console.web.access import PageRoutes, SignedIn, visible_account
from varco_console.web.context import console_of, person_api
from varco_console.web.cookies import SESSION, read_cookie
from varco_console.web.csv_export import csv_response
from varco_console.web.downloads import Download

PAGE = 50

routes = PageRoutes()
Day = date | Literal[""]


class AskedCopies(BaseModel):
    """The form, as it stands in the address of the page."""

    account: str = Field("", max_length=63)
    sender: str = Field("", max_length=320)
    recipient: str = Field("", max_length=320)
    subject: str = Field("", max_length=500)
    since: Day = ""
    until: Day = ""
    cursor: int = Field(0, ge=0, le=2**53)

    def question(self, opened: BrowserSession) -> CopiesQuestion:
        """Raises 403 for somebody else's account."""
        return CopiesQuestion(**self.model_dump() | {"account": visible_account(opened, self.account)})


class ExportForm(BaseModel):
    """Copies that arrived on these days (UTC), both included; empty: all."""

    model_config = ConfigDict(extra="ignore")  # the form's token

    since: Day = ""
    until: Day = ""
    reason: str = Field(min_length=3, max_length=1_000)


@routes.page("/copies")
async def show_copies(request: Request, opened: SignedIn, asked: Annotated[AskedCopies, Query()]) -> Response:
    api, question = person_api(request), asked.question(opened)
    mailboxes = await api.get("archive", "/archive")
    answer = None
    if question.account and any(box["account"] == question.account and box["login"] for box in mailboxes):
        answer = await api.get("archive", _path(question.account, "copies"), limit=PAGE, **question.parameters())
    job = console_of(request).jobs.state(_job(opened, question.account))
    view = copies_page(question, mailboxes, answer, job)
    return console_of(request).renderer.page(request, "copies/page.html", view)


@routes.page("/accounts/{account}/copies.csv")
async def list_copies(
    request: Request, account: str, opened: SignedIn, asked: Annotated[AskedCopies, Query()]
) -> Response:
    """What was found: the first thousand."""
    question = asked.question(opened)._replace(cursor=0)
    path = _path(account, "copies")
    answer = await person_api(request).get("archive", path, limit=EXPORTED, **question.parameters())
    return csv_response("copies.csv", FoundCopy._fields, found_copies(answer))


@routes.change("/accounts/{account}/copies/export")
async def export(request: Request, account: str, opened: SignedIn, form: Annotated[ExportForm, Form()]) -> Download:
    """An mbox file. An event says who took it out. Raises 429."""
    with ExitStack() as turn:
        turn.enter_context(console_of(request).downloads.of(opened.person.name))
        text = await _export(request, account, opened, form)
        return Download(text, turn.pop_all(), f"{account}.mbox", "application/mbox")


async def _export(request: Request, account: str, opened: BrowserSession, form: ExportForm) -> AsyncIterator[bytes]:
    api, console, days = person_api(request), console_of(request), times(form.since, form.until)
    await api.change("archive", "POST", _path(account, "export"), reason=form.reason, params=days)
    copies = ExportedCopies(api, _path(account, "copies"), days)
    total = sum([1 async for _ in copies.listed()])  # before the answer begins, so that errors are a page
    cookie, job = read_cookie(request, SESSION), _job(opened, account)
    return exported(
        copies,
        total,
        report=lambda state: console.jobs.report(job, state),
        is_signed_in=lambda: console.people.open_session(cookie) is not None,
    )


def _job(opened: BrowserSession, account: str) -> str:
    return f"export of {account} by {opened.person.name}"


def _path(account: str, what: str) -> str:
    return f"/accounts/{quote(account, safe='')}/archive/{what}"
