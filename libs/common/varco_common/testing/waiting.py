"""Waiting for facts: tests never sleep for a time and hope."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

from varco_common.base.errors import TransientError

T = TypeVar("T")

_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.02, 0.5


@overload
async def eventually(fact: Callable[[], Awaitable[T]], seconds: float = 60.0) -> T: ...
@overload
async def eventually(fact: Callable[[], T], seconds: float = 60.0) -> T: ...
async def eventually(fact: Callable[[], T | Awaitable[T]], seconds: float = 60.0) -> T:
    """The first true value of `fact()`, awaited if need be. A TransientError means: not yet.

    It rests as long as a look takes, which leaves CPU to what it waits for. Raises TimeoutError
    with the last value or error.
    """
    last: object = None
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(seconds):
            while True:
                began = clock()
                try:
                    last = fact()
                    if inspect.isawaitable(last):
                        last = await last
                    if last:
                        return cast(T, last)
                except TransientError as error:
                    last = error
                await asyncio.sleep(min(max(clock() - began, _POLL_SECONDS), _LONGEST_POLL_SECONDS))
    except TimeoutError:
        raise TimeoutError(f"still {last!r} after {seconds} s") from None
