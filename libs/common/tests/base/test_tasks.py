"""Coroutines beside others, and how they end."""

import asyncio
from contextlib import suppress

import pytest

from varco_common.base import tasks
from varco_common.base.tasks import ended


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
    monkeypatch.setattr(tasks, "_AGAIN_SECONDS", 0.01)

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
