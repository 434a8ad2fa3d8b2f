"""Whose turn it is to be looked at: a few domains of each account, accounts at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from varco_common.base.tasks import all_results

T = TypeVar("T")

_ACCOUNTS = 16  # at the same time
_DOMAINS = 5  # of an account in one turn: half a minute, where each look takes as long as it may


async def take_turns(due: Iterable[tuple[str, T]], look: Callable[[str, T], Awaitable[None]]) -> None:
    """Calls `look` for the first few of each account that are due.

    Neither an account's many domains nor its silent name servers keep others waiting for long.
    """
    of_account: dict[str, list[T]] = {}
    for account, domain in due:
        of_account.setdefault(account, []).append(domain)
    free = asyncio.Semaphore(_ACCOUNTS)

    async def turn(account: str, domains: list[T]) -> None:
        async with free:
            for domain in domains[:_DOMAINS]:
                await look(account, domain)

    await all_results([turn(account, domains) for account, domains in of_account.items()])
