"""Collects the items of a stream into batches, with a minimum time between two of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from varco_common.base.tasks import done_within, run_in_background

T = TypeVar("T")

_FEW = 10  # items; as many cost enough together to be worth the whole linger


class BatchLimits(NamedTuple):
    """Bounds of one batch: `items` at most, about `size` bytes, and one batch in `linger` seconds.

    A longer linger saves CPU for each item, and shows an item later. A full batch does not wait,
    and after a batch of a few items the next one waits for a part of the linger.
    """

    items: int = 1_000
    size: int = 4 * 1024 * 1024
    linger: float = 0.25


class Batches(Generic[T]):
    """Iterates over lists. After a quiet time the first item comes at once, alone.

    What follows within `linger` comes together.
    """

    def __init__(self, limits: BatchLimits, size_of: Callable[[T], int]) -> None:
        self._limits = limits
        self._size_of = size_of
        self._waiting: asyncio.Queue[T] = asyncio.Queue(limits.items)
        self._full = asyncio.Event()
        self._next_at = 0.0

    @classmethod
    @asynccontextmanager
    async def of(
        cls, source: AsyncGenerator[T, None], limits: BatchLimits, size_of: Callable[[T], int]
    ) -> AsyncIterator["Batches[T]"]:
        """Reads `source` inside the block, one batch ahead at most, and closes it.

        An error of `source` ends the block.
        """
        batches = cls(limits, size_of)
        async with run_in_background(batches._read(source)):
            yield batches

    def __aiter__(self) -> "Batches[T]":
        return self

    async def __anext__(self) -> list[T]:
        loop = asyncio.get_running_loop()
        if (rest := self._next_at - loop.time()) > 0:
            await done_within(self._full.wait(), rest)
        batch = [await self._waiting.get()]
        self._full.clear()
        began = loop.time()
        size = self._size_of(batch[0])
        while size < self._limits.size and len(batch) < self._limits.items and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
            size += self._size_of(batch[-1])
        self._next_at = began + self._limits.linger * min(len(batch) / _FEW, 1)
        return batch

    async def _read(self, source: AsyncGenerator[T, None]) -> None:
        async with aclosing(source):
            async for item in source:
                await self._waiting.put(item)
                if self._waiting.full():
                    self._full.set()
