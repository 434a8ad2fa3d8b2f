"""All events, with filters, in pages and as CSV."""

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from varco_console.html_pages.events.view import EventFilters, event_list, lines
from varco_console.people import BrowserSession
from varco_console.service_apis import PAGE_SECONDS, PersonApi
from varco_console.web.access import PageRoutes, SignedIn, visible_account
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response

PAGE, EXPORTED = 50, 1_000
COLUMNS = ("sequence", "time", "fact", "account", "who", "reason", "details")

routes = PageRoutes()


class AskedEvents(BaseModel):
    """The form, as it stands in the address of the page."""

    fact: str = Field("", max_length=64)
    account: str = Field("", max_length=63)
    mail: str = Field("", max_length=100)
    host: str = Field("", max_length=100)
    login: str = Field("", max_length=320)
    since: str = Field("", max_length=40)
    until: str = Field("", max_length=40)
    cursor: int = 0

    def filters(self, opened: BrowserSession) -> EventFilters:
        """Raises 403 for somebody else's account."""
        stripped = {name: value.strip() for name, value in self.model_dump(exclude={"cursor"}).items()}
        return EventFilters(**stripped | {"account": visible_account(opened, self.account)}, cursor=self.cursor)


@routes.page("/events")
async def show_events(request: Request, opened: SignedIn, asked: Annotated[AskedEvents, Query()]) -> Response:
    filters = asked.filters(opened)
    answer, tokens = await _answers(person_api(request), filters, PAGE, PAGE_SECONDS)
    return console_of(request).renderer.page(request, "events/page.html", event_list(filters, answer, tokens))


@routes.page("/events.csv")
async def export_events(request: Request, opened: SignedIn, asked: Annotated[AskedEvents, Query()]) -> Response:
    """The newest thousand."""
    answer, tokens = await _answers(person_api(request), asked.filters(opened), EXPORTED)
    return csv_response("events.csv", COLUMNS, lines(answer["events"], tokens))


async def _answers(api: PersonApi, filters: EventFilters, limit: int, seconds: float | None = None) -> tuple[Any, Any]:
    return await asyncio.gather(
        api.get("audit", "/events", limit=limit, seconds=seconds, **filters._asdict()),
        api.get("audit", "/token-names"),
    )
