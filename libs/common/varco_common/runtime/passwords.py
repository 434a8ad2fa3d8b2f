"""Password hashes (argon2id), made in threads. A flood of logins delays nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Protocol, Self, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from varco_common.base.errors import TransientError

R = TypeVar("R")

_MAX_KIB = 1 << 20


class TooManyLoginsError(TransientError):
    """Too many passwords wait to be hashed; this one would be answered too late."""


class PasswordHashes(Protocol):
    """Makes and verifies hashes. Every method costs much CPU, by design."""

    def make(self, password: str) -> str: ...
    def verify(self, digest: str, password: str) -> bool: ...
    def outdated(self, digest: str) -> bool: ...


class Argon2:
    """Makes argon2id hashes that take `memory_kib` KiB, and verifies argon2 hashes of all kinds."""

    def __init__(self, memory_kib: int) -> None:
        self._hasher = PasswordHasher(memory_cost=memory_kib)
        self._dummy = self._hasher.hash("a password that no login has")

    def make(self, password: str) -> str:
        """A new argon2id hash, in PHC form."""
        return self._hasher.hash(password)

    def verify(self, digest: str, password: str) -> bool:
        """Whether the password is right.

        With an empty digest (an unknown login) it never is, after the same time.
        """
        try:
            return self._hasher.verify(digest or self._dummy, password) and bool(digest)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, digest: str) -> bool:
        """Whether the hash should be replaced at the next login."""
        return not digest.startswith("$argon2id$") or self._hasher.check_needs_rehash(digest)


def good_argon2(digest: str) -> bool:
    """Whether it is an argon2 hash in PHC form that takes bearable memory and time to verify."""
    if not digest.startswith("$argon2"):
        return False
    try:
        parameters = extract_parameters(digest)
    except (InvalidHashError, ValueError):
        return False
    return parameters.memory_cost <= _MAX_KIB and parameters.time_cost <= 20 and parameters.parallelism <= 64


class PasswordVerifier:
    """Hashes in a pool of threads.

    `waiting` is the number of passwords that are hashed or queued.
    """

    def __init__(self, hashes: PasswordHashes, pool: ThreadPoolExecutor, bound: int) -> None:
        self._hashes, self._pool, self._bound = hashes, pool, bound
        self.waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, hashes: PasswordHashes, threads: int, bound: int) -> AsyncIterator[Self]:
        """`threads` passwords are hashed at once. While `bound` are in hand, more are refused."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        try:
            yield cls(hashes, pool, bound)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def verify(self, digest: str, password: str) -> bool:
        """As `hashes.verify`. Raises TooManyLoginsError."""
        return await self._run(lambda: self._hashes.verify(digest, password))

    async def make(self, password: str) -> str:
        """As `hashes.make`. Raises TooManyLoginsError."""
        return await self._run(lambda: self._hashes.make(password))

    def outdated(self, digest: str) -> bool:
        return self._hashes.outdated(digest)

    async def _run(self, work: Callable[[], R]) -> R:
        if self.waiting >= self._bound:
            raise TooManyLoginsError(f"{self.waiting} passwords are being hashed: try again later")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self.waiting -= 1
