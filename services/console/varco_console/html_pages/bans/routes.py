"""Bans: who is refused, why and where; lift, ignore, ban by hand; the ban log."""

import asyncio
from http import HTTPStatus
from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from varco_console.html_pages.bans.view import LOG_LINES, BanLine, BansAnswers, BansQuestion, ban_lines, bans_page
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import OPERATORS, PageRoutes, SignedIn
from varco_console.web.context import console_of, person_api
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

PAGE = 25  # a page stays below 100 KB
_UNKNOWN = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)

routes = PageRoutes()
Network = Annotated[str, Form(min_length=1, max_length=100)]
Reason = Annotated[str, Form(min_length=3, max_length=1_000)]


class AskedBans(BaseModel):
    """The form, as it stands in the address of the page."""

    what: str = Field("", max_length=320)
    host: str = Field("", max_length=100)
    after: int = Field(0, ge=0, le=1_000_000)

    def question(self) -> BansQuestion:
        """What is no address or network is no host."""
        try:
            host = self.host and str(ip_network(self.host.strip(), strict=False))
        except ValueError:
            host = ""
        return BansQuestion(self.what.strip(), host.removesuffix("/32").removesuffix("/128"), self.after)


@routes.page("/bans")
async def show_bans(request: Request, opened: SignedIn, asked: Annotated[AskedBans, Query()]) -> Response:
    api, question = person_api(request), asked.question()
    bans, stops, ignored, log, host, tokens = await asyncio.gather(
        api.get("banguard", "/bans"),
        api.get("banguard", "/stops"),
        api.get("banguard", "/ignored"),
        api.text("banguard", "/log", lines=LOG_LINES),
        _host(api, question.host),
        api.get("audit", "/token-names"),
    )
    answers = BansAnswers(bans, stops, ignored, log, host)
    view = bans_page(question, answers, tokens, opened.person, page=PAGE)
    return console_of(request).renderer.page(request, "bans/page.html", view)


@routes.page("/bans/log")
async def show_log(request: Request) -> Response:
    """The ban log alone: `/bans` loads it anew from here, since all bans are much more."""
    log = await person_api(request).text("banguard", "/log", lines=LOG_LINES)
    return console_of(request).renderer.page(request, "bans/log.html", log)


@routes.page("/bans.csv")
async def export_bans(request: Request) -> Response:
    """All bans in force, each with its strikes in one cell."""
    api = person_api(request)
    bans, tokens = await asyncio.gather(api.get("banguard", "/bans"), api.get("audit", "/token-names"))
    return csv_response("bans.csv", BanLine._fields, (line.row() for line in ban_lines(bans, tokens)))


@routes.change("/bans", roles=OPERATORS)
async def ban(
    request: Request, network: Network, reason: Reason, bantime: Annotated[str, Form(max_length=40)] = ""
) -> RedirectResponse:
    """By hand."""
    body = {"network": network, "reason": reason} | ({"bantime": bantime} if bantime else {})
    await person_api(request).change("banguard", "POST", "/bans", body=body)
    return back_to("/bans", "banned", host=network.strip())


@routes.change("/bans/lift")
async def lift(request: Request, network: Network, reason: Reason) -> RedirectResponse:
    """The ban of a host, and the stops of logins there; of an account's people, its own strikes."""
    answer = await person_api(request).change("banguard", "DELETE", f"/bans/{_part(network)}", reason=reason)
    return back_to("/bans", "still_banned" if answer["banned"] else "lifted", host=network.strip())


@routes.change("/bans/resume")
async def resume(
    request: Request, login: Annotated[str, Form(min_length=1, max_length=256)], reason: Reason
) -> RedirectResponse:
    """A stopped login may send again."""
    await person_api(request).change("banguard", "DELETE", f"/stops/{_part(login)}", reason=reason)
    return back_to("/bans", "resumed")


@routes.change("/bans/ignore")
async def ignore(request: Request, network: Network, reason: Reason) -> RedirectResponse:
    """Failures of the network do not count from now on; for an account, its own."""
    await person_api(request).change("banguard", "PUT", f"/ignored/{_part(network)}", reason=reason)
    return back_to("/bans", "ignored")


@routes.change("/bans/unignore")
async def unignore(
    request: Request, network: Network, reason: Reason, account: Annotated[str, Form(max_length=63)] = ""
) -> RedirectResponse:
    path, params = f"/ignored/{_part(network)}", {"account": account}
    await person_api(request).change("banguard", "DELETE", path, reason=reason, params=params)
    return back_to("/bans", "unignored")


async def _host(api: PersonApi, host: str) -> Any:
    """None if nothing is known of it that this person may see."""
    try:
        return await api.get("banguard", f"/bans/{_part(host)}") if host else None
    except ApiFailure as failure:
        if failure.status in _UNKNOWN:
            return None
        raise


def _part(text: str) -> str:
    return quote(text.strip(), safe="")
