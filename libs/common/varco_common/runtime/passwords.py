"""Password hashes (argon2id), made in threads. A flood of logins delays nothing else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Protocol, Self, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from varco_common.base.errors import TransientError
from varco_common.runtime.fair_queue import FairSemaphore

R = TypeVar("R")

# What an imported argon2 hash may cost. 256 MiB and 1 GiB written in all passes take about half a
# second; Varco's own hashes take 64 MiB and 192 MiB.
_MAX_KIB = 256 << 10
_MAX_KIB_IN_ALL_PASSES = 1 << 20
_MAX_LANES = 16


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
        self._memory_kib = memory_kib
        self._costly = threading.Lock()
        self._dummy = self._hasher.hash("a password that no login has")

    def make(self, password: str) -> str:
        """A new argon2id hash, in PHC form."""
        return self._hasher.hash(password)

    def verify(self, digest: str, password: str) -> bool:
        """Whether the password is right.

        With an empty digest (an unknown login) it never is, after the same time. Hashes that cost
        too much are refused at import today. Some were imported before: these are verified one at a
        time. Raises TooManyLoginsError for a second one.
        """
        if not self._is_costly(digest):
            return self._verify(digest, password)
        if not self._costly.acquire(blocking=False):
            raise TooManyLoginsError("another password with a costly hash is being verified: try again later")
        try:
            return self._verify(digest, password)
        finally:
            self._costly.release()

    def _verify(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest or self._dummy, password) and bool(digest)
        except (VerificationError, InvalidHashError):
            return False

    def _is_costly(self, digest: str) -> bool:
        return digest.startswith("$argon2") and not good_argon2(digest) and self._memory_of(digest) > self._memory_kib

    def _memory_of(self, digest: str) -> int:
        try:
            return extract_parameters(digest).memory_cost
        except (InvalidHashError, ValueError):
            return 0

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
    in_all_passes = parameters.memory_cost * parameters.time_cost
    return (
        parameters.memory_cost <= _MAX_KIB
        and in_all_passes <= _MAX_KIB_IN_ALL_PASSES
        and parameters.parallelism <= _MAX_LANES
    )


class PasswordVerifier:
    """Hashes in a pool of threads. Accounts and hosts take turns, so that none fills the queue.

    `waiting` is the number of passwords that are hashed or queued. `key` says whose a password is.
    A `favoured` password (its login has been used from this host) goes before the others.
    """

    def __init__(self, hashes: PasswordHashes, pool: ThreadPoolExecutor, threads: int, bound: int) -> None:
        self._hashes, self._pool, self._bound = hashes, pool, bound
        self._slots = FairSemaphore(threads)

    @classmethod
    @asynccontextmanager
    async def open(cls, hashes: PasswordHashes, threads: int, bound: int) -> AsyncIterator[Self]:
        """`threads` passwords are hashed at once. While `bound` are in hand, more are refused."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        try:
            yield cls(hashes, pool, threads, bound)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def waiting(self) -> int:
        return self._slots.in_hand

    async def verify(self, digest: str, password: str, key: str = "", *, favoured: bool = False) -> bool:
        """As `hashes.verify`. Raises TooManyLoginsError."""
        return await self._run(lambda: self._hashes.verify(digest, password), key, favoured=favoured)

    async def make(self, password: str, key: str = "") -> str:
        """As `hashes.make`. Raises TooManyLoginsError."""
        return await self._run(lambda: self._hashes.make(password), key)

    def outdated(self, digest: str) -> bool:
        return self._hashes.outdated(digest)

    async def _run(self, work: Callable[[], R], key: str, *, favoured: bool = False) -> R:
        """Waits for a thread. A key may use half of the queue, so that others find a place."""
        full = self.waiting >= self._bound or (key and self._slots.waiting(key) >= self._bound // 2)
        if self._slots.locked and full:
            raise TooManyLoginsError(f"{self.waiting} passwords are being hashed: try again later")
        await self._slots.acquire(key, favoured=favoured)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._slots.release()
