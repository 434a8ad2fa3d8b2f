"""Coroutines beside others, and how they end."""

import asyncio

import pytest

from varco_common.tasks import ended


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


async def test_all_have_ended_when_it_returns():
    tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    await ended(*tasks)
    assert all(task.cancelled() for task in tasks)
    await ended()
