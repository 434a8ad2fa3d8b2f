"""Reads several streams of items as one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

_READ_AHEAD = 256


async def merged(*sources: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yields the items of all sources as they come, until all are exhausted.

    Raises the first error of a source. Reads a bounded number of items ahead.
    """
    queue: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue(_READ_AHEAD)

    async def read(source: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    await queue.put((item,))
            await queue.put(None)
        except Exception as error:  # noqa: BLE001 - raised to the caller below
            await queue.put(error)

    tasks = [asyncio.create_task(read(source)) for source in sources]
    running = len(tasks)
    try:
        while running:
            match await queue.get():
                case None:
                    running -= 1
                case Exception() as error:
                    raise error
                case (item,):
                    yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
