"""Hashing in a few threads with a bounded queue: a flood of logins costs nobody else anything but a 4xx."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import ParamSpec, Self, TypeVar

from varco_common.errors import TransientError
from varco_policy.hashes import Hashes

P = ParamSpec("P")
R = TypeVar("R")


class TooManyLoginsError(TransientError):
    """More passwords wait to be hashed than can be within the time that an answer may take."""


class Verifier:
    """`Hashes`, off the event loop. `waiting` counts what is being hashed or queued for it."""

    def __init__(self, hashes: Hashes, pool: ThreadPoolExecutor, bound: int) -> None:
        self._hashes, self._pool, self._bound = hashes, pool, bound
        self.waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, hashes: Hashes, threads: int, bound: int) -> AsyncIterator[Self]:
        """`threads` hash at once, `bound` in all are taken on."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        try:
            yield cls(hashes, pool, bound)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def verify(self, digest: str, password: str) -> bool:
        """As `Hashes.verify`. Raises TooManyLoginsError."""
        return await self._run(self._hashes.verify, digest, password)

    async def make(self, password: str) -> str:
        """As `Hashes.make`. Raises TooManyLoginsError."""
        return await self._run(self._hashes.make, password)

    def outdated(self, digest: str) -> bool:
        return self._hashes.outdated(digest)

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        assert not kwargs
        if self.waiting >= self._bound:
            raise TooManyLoginsError(f"{self.waiting} passwords are being hashed: try again later")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        finally:
            self.waiting -= 1
