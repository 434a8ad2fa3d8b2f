"""Coroutines: run in the background, repeated until they succeed, not cancelled halfway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from varco_common.base import log
from varco_common.base.errors import TransientError, VarcoError

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.1
_PAUSE = wait_exponential_jitter(multiplier=2 * _FIRST_PAUSE_SECONDS, max=2.0, jitter=0.1)
_CANCEL_AGAIN_SECONDS = 2.0
_log = log.get(__name__)


async def retry_until_available(
    attempt: Callable[[], Awaitable[T]],
    message: str = "waiting",
    *,
    retry_on: tuple[type[VarcoError], ...] = (TransientError,),
    **fields: object,
) -> T:
    """Repeats `attempt` until it raises none of `retry_on`, and returns its result.

    The pauses between attempts grow from 0.1 to 2 seconds. Before each, `message` and `fields` are
    logged with the error. For a loop that must go on, let `attempt` be the loop itself.
    """
    try:  # most attempts succeed, and cost less than what tenacity does around them
        return await attempt()
    except retry_on as error:
        _log.warning(message, error=str(error), **fields)
    await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    async def awaited() -> T:  # tenacity awaits no result of a lambda
        return await attempt()

    retrying = AsyncRetrying(
        sleep=asyncio.sleep,
        wait=_PAUSE,
        retry=retry_if_exception_type(retry_on),
        before_sleep=lambda state: _log.warning(
            message, error=str(state.outcome.exception() if state.outcome else ""), **fields
        ),
    )
    return await retrying(awaited)


async def all_results(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs the coroutines at the same time, and returns their results in order.

    Raises the first error when all have ended: none goes on unseen, as after asyncio.gather.
    """
    if len(coroutines) == 1:
        return [await coroutines[0]]
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


@asynccontextmanager
async def run_in_background(*coroutines: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Runs the coroutines while the block runs. If one fails, the block is cancelled.

    Then its error is raised: as itself, and not in a group as by asyncio.TaskGroup.
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
    """Cancels the tasks, and returns when they have ended.

    A caller that awaited a cancelled task under `suppress(CancelledError)` would also swallow its
    own cancellation, and then never end. A task that loses its cancellation, as asyncio.wait_for
    may before Python 3.12 (cpython#86296), is cancelled again.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_SECONDS)


async def uncancellable(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs the coroutine to its end. If the caller is cancelled, that is raised only then.

    For database transactions: one that is cut off may leave its connection, and with SQLite its
    lock, behind.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # cancelled again; the first cancellation is raised below
                await asyncio.wait([task])
        raise


async def done_within(awaitable: Awaitable[object], seconds: float | None) -> bool:
    """Whether the awaitable ends within this time (None: any). If not, it is cancelled."""
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True


async def wait_forever() -> None:
    """Never returns; ends when it is cancelled."""
    await asyncio.Event().wait()
