"""Adds many senders in one change: asks policy first what it would refuse."""

import asyncio
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from varco_common.base.errors import ConflictError
from varco_console.service_apis import ApiFailure, PersonApi

MAX_DOMAINS = 50  # that policy, a voter, is asked about one by one
_DOMAINS_AT_ONCE = 2
_NOT_ASKED = (
    f"not looked at: policy refuses a part of the file, and was asked about the first {MAX_DOMAINS} domains. "
    "Take out what it refuses, then import the file again"
)


async def current_senders(api: PersonApi, account: str) -> list[dict[str, Any]]:
    """Each as `pattern` and `since`. Raises ApiFailure."""
    senders: list[dict[str, Any]] = await api.get("policy", f"{path(account)}/senders")
    return senders


async def refused(api: PersonApi, account: str, senders: Iterable[str]) -> list[tuple[str, str]]:
    """The senders that this person may not add, each with the reason. Raises ApiFailure.

    Where something is refused, those of domains that are not looked at are among them.
    """
    senders = [*senders]
    if not senders or not await _refusal(api, account, senders):
        return []
    domains = _by_domain(senders)
    turns = asyncio.Semaphore(_DOMAINS_AT_ONCE)  # policy refuses by domain

    async def of_domain(group: list[str]) -> list[tuple[str, str]]:
        async with turns:
            why = await _refusal(api, account, group)
        return [(sender, why) for sender in group] if why else []

    answers = await asyncio.gather(*map(of_domain, domains[:MAX_DOMAINS]))
    not_asked = [(sender, _NOT_ASKED) for group in domains[MAX_DOMAINS:] for sender in group]
    return [pair for answer in answers for pair in answer] + not_asked


async def add(api: PersonApi, account: str, senders: Sequence[str], reason: str) -> None:
    """Adds them in one change, and removes none.

    Raises ApiFailure, and ConflictError if somebody else changes the list at the same time.
    """
    planned = await _patch(api, account, senders, {"dry_run": "true"})
    if any(change["removes"] for change in planned["changes"]):
        raise ConflictError("the list of senders has just been changed: try again")
    headers = {"If-Match": f'"{planned["version"]}"'}
    await _patch(api, account, senders, {"reason": reason}, headers)


async def _refusal(api: PersonApi, account: str, senders: Iterable[str]) -> str:
    try:
        await _patch(api, account, senders, {"dry_run": "true"})
    except ApiFailure as failure:
        if failure.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise
        return str(failure)
    return ""


async def _patch(
    api: PersonApi, account: str, added: Iterable[str], params: dict[str, str], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    current = [entry["pattern"] for entry in await current_senders(api, account)]
    body = {"senders": [*dict.fromkeys([*current, *added])]}
    answer: dict[str, Any] = await api.change(
        "policy", "PATCH", path(account), body=body, params=params, headers=headers
    )
    return answer


def _by_domain(senders: Iterable[str]) -> list[list[str]]:
    domains: dict[str, list[str]] = {}
    for sender in senders:
        domains.setdefault(sender.rpartition("@")[2], []).append(sender)
    return [*domains.values()]


def path(account: str) -> str:
    return f"/accounts/{quote(account, safe='')}"
