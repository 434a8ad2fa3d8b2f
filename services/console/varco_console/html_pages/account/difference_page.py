"""Shows what a file would change in an account, and decides last month's mail again under it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from varco_common.account_file.parsing import AccountFile
from varco_common.base.errors import RefusedCommand
from varco_console.html_pages.account import account_files
from varco_console.html_pages.account.view import difference
from varco_console.html_pages.account.what_if import SHOWN, WhatIfProgress, digest, shortened, what_if
from varco_console.web.access import opened_session
from varco_console.web.context import console_of, person_api

WHAT_IF_PERIOD = timedelta(days=30)


async def difference_page(
    request: Request,
    account: str,
    text: str,
    status: HTTPStatus = HTTPStatus.OK,
    reason: str = "",
    *,
    refusal: str = "",
) -> Response:
    """`reason` is what stands in the form at first, `refusal` why the person is not believed.

    Raises AccountFileError and ApiFailure.
    """
    api, file = person_api(request), await account_files.read_file(account, text)
    plans, warnings = await asyncio.gather(account_files.plan(api, file), account_files.warnings_about(api, file))
    view = difference(account, text, plans, warnings)
    decided_again = _started(request, file, digest(text)) if view.lines else None
    conflict = status is HTTPStatus.CONFLICT
    return console_of(request).renderer.page(
        request,
        "account/difference.html",
        view,
        status=status,
        conflict=conflict,
        reason=reason,
        refusal=refusal,
        what_if=decided_again,
    )


def current_what_if(request: Request, account: str, file: str) -> WhatIfProgress:
    """How far the one is that this person has started last."""
    return what_if(file, console_of(request).jobs.state(_job(request, account)))


def _started(request: Request, file: AccountFile, label: str) -> WhatIfProgress:
    """Takes the place of the one that this person has started before."""
    since = datetime.now(UTC) - WHAT_IF_PERIOD
    form = {"sections": file.sections, "since": since.isoformat(), "examples": SHOWN}
    path = f"/accounts/{quote(file.account, safe='')}/whatif"
    lines = _labelled(person_api(request).lines("audit", path, form), label)
    try:
        console_of(request).jobs.start(_job(request, file.account), lines)
    except RefusedCommand:
        return WhatIfProgress("busy", label)
    return current_what_if(request, file.account, label)


async def _labelled(lines: AsyncIterator[dict[str, Any]], label: str) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        yield {**shortened(line), "file": label}


def _job(request: Request, account: str) -> str:
    return f"what-if of {account} by {opened_session(request).person.name}"
