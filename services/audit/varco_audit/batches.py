"""What comes one by one, taken together: as much as is there, not more often than once in a while."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from varco_common.base.tasks import run_in_background

T = TypeVar("T")


class BatchLimits(NamedTuple):
    """At most `most` things, of about `most_bytes`, once in `linger` seconds."""

    most: int
    most_bytes: int
    linger: float


class Batches(Generic[T]):
    """Iterates over lists: the first thing after a quiet time comes at once, what follows within `linger` together."""

    def __init__(self, limits: BatchLimits, size: Callable[[T], int]) -> None:
        self._limits = limits
        self._size = size
        self._waiting: asyncio.Queue[T] = asyncio.Queue(limits.most)
        self._next_at = 0.0

    @classmethod
    @asynccontextmanager
    async def of(
        cls, source: AsyncGenerator[T, None], limits: BatchLimits, size: Callable[[T], int]
    ) -> AsyncIterator["Batches[T]"]:
        """Reads `source` ahead inside the block, by one batch at most, and closes it. Its errors end the block."""
        batches = cls(limits, size)
        async with run_in_background(batches._read(source)):
            yield batches

    def __aiter__(self) -> "Batches[T]":
        return self

    async def __anext__(self) -> list[T]:
        loop = asyncio.get_running_loop()
        if (rest := self._next_at - loop.time()) > 0:
            await asyncio.sleep(rest)
        taken = [await self._waiting.get()]
        self._next_at = loop.time() + self._limits.linger
        size = self._size(taken[0])
        while size < self._limits.most_bytes and len(taken) < self._limits.most and not self._waiting.empty():
            taken.append(self._waiting.get_nowait())
            size += self._size(taken[-1])
        return taken

    async def _read(self, source: AsyncGenerator[T, None]) -> None:
        async with aclosing(source):
            async for one in source:
                await self._waiting.put(one)
