"""The overview: what an operator looks at first."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from varco_console.html_pages.overview.metric_lines import metric_values
from varco_console.html_pages.overview.view import HOURS, HourlyMails, OverviewAnswers, overview
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import PageRoutes, SignedIn
from varco_console.web.charts import stacked_bars
from varco_console.web.context import console_of, person_api
from varco_console.web.rendering import language_of
from varco_console.web.texts import Texts

COUNTED = 50  # downloads: more are shown as "50+"

routes = PageRoutes()


@routes.page("/")
async def show_overview(request: Request, opened: SignedIn) -> Response:
    now = datetime.now(UTC)
    answers = await _answers(person_api(request), now, sees_all=opened.person.role.sees_all)
    view = overview(answers, now)
    chart = _chart(view.mails, Texts("overview", language_of(request))) if view.mails.total else None
    return console_of(request).renderer.page(request, "overview/page.html", view, chart=chart)


async def _answers(api: PersonApi, now: datetime, *, sees_all: bool) -> OverviewAnswers:
    """Asks all services at once. The machine's figures are for those who see all accounts."""
    since = (now - timedelta(hours=HOURS)).isoformat()
    services = api.services if sees_all else []
    health, metrics, *others = await asyncio.gather(
        asyncio.gather(*(_or_none(api.probe(service)) for service in services)),
        asyncio.gather(*(_or_none(api.metrics(service)) for service in services)),
        _or_none(api.get("audit", "/balance", since=since)),
        _or_none(api.get("audit", "/refusals", since=since)),
        _or_none(api.get("relay", "/queue", limit=1)),
        _or_none(api.get("ratelimit", "/quotas/fullest")),
        _or_none(api.get("banguard", "/bans")),
        _or_none(api.get("audit", "/events", fact="link-downloaded", since=since, limit=COUNTED)),
    )
    values = metric_values(text for text in metrics if text)
    return OverviewAnswers(dict(zip(services, health, strict=True)), values, *others)


async def _or_none(asking: Awaitable[Any]) -> Any:
    """None while the service is away: the rest of the overview is shown."""
    try:
        return await asking
    except ApiFailure:
        return None


def _chart(mails: HourlyMails, texts: Texts) -> str:
    names = [f"{hour:%H}:00" for hour in mails.hours]
    series = {texts(f"outcome_{name}"): numbers for name, numbers in mails.outcomes.items()}
    return stacked_bars(texts("mails_chart", total=mails.total), names, series)
