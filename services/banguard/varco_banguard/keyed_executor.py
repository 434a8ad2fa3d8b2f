"""Work on several hosts at once, each host's in its order: while one append waits for the disk, others go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

from varco_common.base.tasks import run_in_background

MAX_CONCURRENT = 32  # pieces of work at once
MAX_SEQUENCE_SPAN = 2_000  # how far, in stream sequences, the oldest unfinished one may lie behind


class KeyedExecutor:
    """What is unfinished lies within REACH of any that was begun: so far must a start go back behind the last one done."""

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Task[None]] = {}  # in the order of their sequences, for so they are begun
        self._newest: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Work that fails ends the block; the block's end ends the work."""
        lanes = cls()
        async with run_in_background(lanes._watch()):
            try:
                yield lanes
            finally:
                await lanes._cancelled()

    async def begin(self, sequence: int, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Starts it as soon as there is room; it waits for earlier work under the same key."""
        while self._open and (
            len(self._open) >= MAX_CONCURRENT or next(iter(self._open)) <= sequence - MAX_SEQUENCE_SPAN
        ):
            await self._one_ended()
        self._open[sequence] = task = asyncio.create_task(self._run(self._newest.get(key), work))
        self._newest[key] = task
        task.add_done_callback(lambda done: self._done(sequence, key, done))

    async def idle(self) -> None:
        """When all that was begun has ended."""
        while self._open:
            await self._one_ended()

    async def _run(self, earlier: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]) -> None:
        if earlier:
            await asyncio.wait([earlier])
        await work()

    def _done(self, sequence: int, key: str, task: asyncio.Task[None]) -> None:
        del self._open[sequence]
        if self._newest.get(key) is task:
            del self._newest[key]
        if not task.cancelled() and (error := task.exception()) and not self._failed.done():
            self._failed.set_exception(error)
        self._ended.set()

    async def _one_ended(self) -> None:
        self._ended.clear()
        await self._ended.wait()

    async def _watch(self) -> None:
        await self._failed

    async def _cancelled(self) -> None:
        tasks = [*self._open.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
