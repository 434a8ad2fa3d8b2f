"""Waiting for facts: tests never sleep for a time and hope."""

import asyncio
import inspect
from collections.abc import Callable

_LOOK_SECONDS = 0.02


async def eventually(fact: Callable[[], object], seconds: float = 20.0) -> object:
    """The first truthy value of `fact()`, awaited where it is a coroutine; TimeoutError when there is none in time."""
    async with asyncio.timeout(seconds):
        while True:
            found = fact()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(_LOOK_SECONDS)
