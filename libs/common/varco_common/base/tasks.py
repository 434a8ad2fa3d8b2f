"""Coroutines that run beside a block of code, and end with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from varco_common.base import log
from varco_common.base.errors import TransientError

T = TypeVar("T")

_RETRY_SECONDS = 1.0
_AGAIN_SECONDS = 2.0
_log = log.get(__name__)


@asynccontextmanager
async def run_in_background(*coroutines: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Runs the coroutines while the block runs. When one fails the block is cancelled, and that failure is raised.

    As asyncio.TaskGroup, but a single failure is raised as itself and not as a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) > 1:
            raise
        raise failures.exceptions[0] from None


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancels them, and returns when they have ended.

    To await a cancelled task under `suppress(CancelledError)` would swallow the caller's own cancellation, too, should it
    come meanwhile: then nobody ever ends the caller. A task that lost its cancellation, as asyncio.wait_for can before
    Python 3.12 (cpython#86296), is cancelled again.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_SECONDS)


async def retry_until_available(question: Callable[[], Awaitable[T]]) -> T:
    """The answer, asked for again and again while it ends in TransientError: for what a start can't do without."""
    while True:
        try:
            return await question()
        except TransientError as error:
            _log.warning("waiting", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)


async def uncancellable(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end even when the caller is cancelled, whose cancellation then goes on.

    For transactions: one that is cut off in the middle can leave its connection, and with SQLite its lock, behind.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # cancelled again; the first one is passed on below
                await asyncio.wait([task])
        raise


async def wait_forever() -> None:
    """Returns never; ends by being cancelled."""
    await asyncio.Event().wait()
