"""Coroutines beside others, and how they end."""

import asyncio
from contextlib import suppress

import pytest

from varco_common.base import tasks
from varco_common.base.errors import ConflictError, PoisonError, TransientError
from varco_common.base.tasks import all_results, ended, retry_until_available


async def test_who_waits_for_others_to_end_can_be_cancelled_meanwhile():
    leaving = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            leaving.set()
            await asyncio.sleep(0.01)

    async def caller() -> None:
        task = asyncio.create_task(slow_to_end())
        await asyncio.sleep(0)
        await ended(task)

    outer = asyncio.create_task(caller())
    await leaving.wait()
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer


async def test_who_loses_a_cancellation_is_cancelled_again(monkeypatch):
    monkeypatch.setattr(tasks, "_CANCEL_AGAIN_SECONDS", 0.01)

    async def deaf_once() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    await ended(task)
    assert task.cancelled()


async def test_all_have_ended_when_it_returns():
    some = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    await ended(*some)
    assert all(task.cancelled() for task in some)
    await ended()


async def test_what_is_away_is_asked_again_until_it_answers():
    errors = [TransientError("away"), TransientError("still away")]

    async def question() -> str:
        if errors:
            raise errors.pop()
        return "answer"

    assert await retry_until_available(lambda: question()) == "answer"  # noqa: PLW0108 - as most callers write it


async def test_an_error_that_time_does_not_mend_is_raised_at_once():
    async def broken() -> None:
        raise PoisonError("never")

    with pytest.raises(PoisonError):
        await retry_until_available(broken)


async def test_a_conflict_is_retried_where_that_is_asked_for():
    errors = [ConflictError("another one was faster")]

    async def write() -> int:
        if errors:
            raise errors.pop()
        return 1

    with pytest.raises(ConflictError):
        await retry_until_available(write)
    errors = [ConflictError("another one was faster")]
    assert await retry_until_available(write, retry_on=(ConflictError, TransientError)) == 1


async def test_the_first_error_of_several_is_raised_when_all_have_ended():
    done: list[str] = []

    async def slow() -> str:
        await asyncio.sleep(0.05)
        done.append("slow")
        return "slow"

    async def broken() -> str:
        raise TransientError("away")

    assert await all_results([slow(), slow()]) == ["slow", "slow"]
    done.clear()
    with pytest.raises(TransientError):
        await all_results([broken(), slow()])
    assert done == ["slow"]
