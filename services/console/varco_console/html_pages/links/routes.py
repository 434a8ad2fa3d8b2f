"""Links: files, sizes and downloads; extend, revoke."""

import asyncio
from datetime import date
from typing import Annotated

from fastapi import Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from varco_console.html_pages.links.view import LinksQuestion, columns, end_of, exported_links, links_page
from varco_console.people import BrowserSession
from varco_console.web.access import PageRoutes, SignedIn, visible_account
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

PAGE, EXPORTED = 20, 1_000  # a page stays below 100 KB

routes = PageRoutes()
LinkKey = Annotated[str, Path(pattern="^[0-9a-f]{32,40}$")]


class AskedLinks(BaseModel):
    """The form, as it stands in the address of the page."""

    name: str = Field("", max_length=255)
    account: str = Field("", max_length=63)
    mail: str = Field("", max_length=100)
    state: str = Field("", max_length=10)
    cursor: str = Field("", max_length=200)

    def question(self, opened: BrowserSession) -> LinksQuestion:
        """Raises 403 for somebody else's account."""
        account = visible_account(opened, self.account)
        return LinksQuestion(self.name.strip(), account, self.mail.strip(), self.state, self.cursor)


@routes.page("/links")
async def show_links(request: Request, opened: SignedIn, asked: Annotated[AskedLinks, Query()]) -> Response:
    api, question = person_api(request), asked.question(opened)
    answer, accounts = await asyncio.gather(
        api.get("filelink", "/links", limit=PAGE, **question.parameters()), api.accounts()
    )
    view = links_page(question, answer, accounts)
    return console_of(request).renderer.page(request, "links/page.html", view)


@routes.page("/links.csv")
async def export_links(request: Request, opened: SignedIn, asked: Annotated[AskedLinks, Query()]) -> Response:
    """The newest thousand."""
    question = asked.question(opened)._replace(cursor="")
    answer = await person_api(request).get("filelink", "/links", limit=EXPORTED, **question.parameters())
    names = columns(opened.person)
    rows = ([getattr(link, name) for name in names] for link in exported_links(answer))
    return csv_response("links.csv", names, rows)


@routes.change("/links/{link}/extend")
async def extend(
    request: Request, link: LinkKey, until: Annotated[date, Form()], reason: Annotated[str, Form(max_length=1_000)] = ""
) -> RedirectResponse:
    """It lives until the end of a day."""
    body = {"until": end_of(until), "reason": reason}
    await person_api(request).change("filelink", "POST", f"/links/{link}/extend", body=body)
    return back_to("/links", "extended")


@routes.change("/links/{link}/revoke")
async def revoke(
    request: Request, link: LinkKey, reason: Annotated[str, Form(min_length=3, max_length=1_000)]
) -> RedirectResponse:
    """Its file is deleted unless another link leads to it."""
    await person_api(request).change("filelink", "POST", f"/links/{link}/revoke", body={"reason": reason})
    return back_to("/links", "revoked")
