"""Runs work of several keys at once, and the work of each key in order.

While one host waits for the disk, others go on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

from varco_common.base.tasks import ended, run_in_background

MAX_CONCURRENT = 32  # pieces of work
MAX_SEQUENCE_SPAN = 2_000  # between the oldest unfinished piece of work and the newest one


class KeyedExecutor:
    """Unfinished work lies at most MAX_SEQUENCE_SPAN before the last work that was finished."""

    def __init__(self) -> None:
        self._unfinished: dict[int, asyncio.Task[None]] = {}  # by sequence, which is ascending
        self._newest: dict[str, asyncio.Task[None]] = {}  # by key
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._one_finished = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Work that fails ends the block; the end of the block cancels the work."""
        executor = cls()
        async with run_in_background(executor._raise_failure()):
            try:
                yield executor
            finally:
                await ended(*executor._unfinished.values())

    async def submit(self, sequence: int, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Starts the work as soon as the limits allow it.

        It waits for earlier work with the same key.
        """
        while self._unfinished and (
            len(self._unfinished) >= MAX_CONCURRENT or next(iter(self._unfinished)) <= sequence - MAX_SEQUENCE_SPAN
        ):
            await self._finished()
        task = asyncio.create_task(self._run(self._newest.get(key), work))
        self._unfinished[sequence] = self._newest[key] = task
        task.add_done_callback(lambda task: self._on_done(sequence, key, task))

    async def idle(self) -> None:
        """Returns when all work that was submitted has finished."""
        while self._unfinished:
            await self._finished()

    async def _run(self, earlier: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]) -> None:
        if earlier:
            await asyncio.wait([earlier])
        await work()

    def _on_done(self, sequence: int, key: str, task: asyncio.Task[None]) -> None:
        del self._unfinished[sequence]
        if self._newest.get(key) is task:
            del self._newest[key]
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_exception(error)
        self._one_finished.set()

    async def _finished(self) -> None:
        self._one_finished.clear()
        await self._one_finished.wait()

    async def _raise_failure(self) -> None:
        await self._failure
