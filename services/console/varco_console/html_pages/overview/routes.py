"""The overview: what an operator looks at first."""

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from varco_console.html_pages.overview.view import overview
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import PageRoutes
from varco_console.web.context import console_of, person_api

routes = PageRoutes()


@routes.page("/")
async def show_overview(request: Request) -> Response:
    api = person_api(request)
    states, bans = await asyncio.gather(
        asyncio.gather(*(_probe(api, service) for service in api.services)), _answer(api, "banguard", "/bans")
    )
    view = overview(dict(zip(api.services, states, strict=True)), bans)
    return console_of(request).renderer.page(request, "overview/page.html", view)


async def _probe(api: PersonApi, service: str) -> Any:
    try:
        return await api.probe(service)
    except ApiFailure:
        return None


async def _answer(api: PersonApi, service: str, path: str) -> Any:
    """None while the service is away: the rest of the overview is shown."""
    try:
        return await api.get(service, path)
    except ApiFailure:
        return None
