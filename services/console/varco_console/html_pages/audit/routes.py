"""Audit: checkpoints, their verification, the balance, dead letters."""

import asyncio
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from varco_console.html_pages.audit.view import audit_page
from varco_console.people import BrowserSession
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import OPERATORS, SEES_ALL, PageRoutes, SignedIn
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

COLUMNS = ("id", "service", "stream", "sequence", "consumer", "at", "times", "why")
BALANCE_PERIOD = timedelta(days=7)

routes = PageRoutes()


@routes.page("/audit", roles=SEES_ALL)
async def show_audit(request: Request, opened: SignedIn) -> Response:
    api, since = person_api(request), datetime.now(UTC) - BALANCE_PERIOD
    proof, balance, letters = await asyncio.gather(
        _proof(api), api.get("audit", "/balance", since=since.isoformat()), api.get("audit", "/deadletters")
    )
    view = audit_page(proof, console_of(request).jobs.state(_job(opened)), balance, letters)
    return console_of(request).renderer.page(request, "audit/page.html", view)


@routes.page("/audit/deadletters.csv", roles=SEES_ALL)
async def export_dead_letters(request: Request) -> Response:
    letters = await person_api(request).get("audit", "/deadletters")
    return csv_response("deadletters.csv", COLUMNS, ([letter[name] for name in COLUMNS] for letter in letters))


@routes.change("/audit/verification", roles=SEES_ALL)
async def verify_events(request: Request, opened: SignedIn) -> RedirectResponse:
    """Reads all events once more, in the background."""
    lines = person_api(request).lines("audit", "/proof/verification", {})
    console_of(request).jobs.start(_job(opened), lines)
    return RedirectResponse("/audit", HTTPStatus.SEE_OTHER)


@routes.change("/audit/deadletters/{letter}/redeliver", roles=OPERATORS)
async def redeliver(
    request: Request, letter: str, reason: Annotated[str, Form(max_length=1_000)] = ""
) -> RedirectResponse:
    """The service that could not handle it tries once more."""
    await person_api(request).change("audit", "POST", f"{_path(letter)}/redelivery", reason=reason)
    return back_to("/audit", "redelivered")


@routes.change("/audit/deadletters/{letter}/drop", roles=OPERATORS)
async def drop(
    request: Request, letter: str, reason: Annotated[str, Form(min_length=3, max_length=1_000)]
) -> RedirectResponse:
    """It will never be handled."""
    await person_api(request).change("audit", "DELETE", _path(letter), reason=reason)
    return back_to("/audit", "dropped")


async def _proof(api: PersonApi) -> Any:
    try:
        return await api.get("audit", "/proof")
    except ApiFailure as failure:
        if failure.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return None
        raise


def _job(opened: BrowserSession) -> str:
    return f"verification by {opened.person.name}"


def _path(letter: str) -> str:
    return f"/deadletters/{quote(letter, safe='')}"
