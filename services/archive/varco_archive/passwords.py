"""The mailboxes' passwords: argon2id, in a few threads with a bounded queue. A flood of logins costs nobody else a thing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from varco_common.errors import RefusedCommand, TransientError

R = TypeVar("R")

_MAX_KIB = 1 << 20


def imported(digest: str) -> str:
    """A hash that was made elsewhere. Raises RefusedCommand on one that can't be verified later."""
    try:
        parameters = extract_parameters(digest)
    except (InvalidHashError, ValueError):
        raise RefusedCommand("not an argon2 hash in PHC form ($argon2id$...)") from None
    if parameters.memory_cost > _MAX_KIB or parameters.time_cost > 20 or parameters.parallelism > 64:
        raise RefusedCommand("a hash that costs too much to verify")
    return digest


class Passwords:
    """Makes and verifies, off the event loop. Raises TransientError when more wait than `bound`."""

    def __init__(self, memory_kib: int, pool: ThreadPoolExecutor, bound: int) -> None:
        self._hasher, self._pool, self._bound = PasswordHasher(memory_cost=memory_kib), pool, bound
        self._nobody = self._hasher.hash("nobody's password")
        self._waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, memory_kib: int, threads: int = 2, bound: int = 24) -> AsyncIterator[Self]:
        """`threads` hash at once, `bound` in all are taken on."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        try:
            yield cls(memory_kib, pool, bound)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def make(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, digest: str, password: str) -> bool:
        """Whether the password is right. An empty digest is nobody's: never right, and not found out sooner."""
        right = await self._run(lambda: self._verify(digest or self._nobody, password))
        return bool(digest) and right

    def _verify(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= self._bound:
            raise TransientError(f"{self._waiting} passwords are being hashed: try again later")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
