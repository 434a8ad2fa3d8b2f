"""What one client may take of the gate: connections, time, and patience."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from varco_common.events import RefusedConnections

REPORT_SECONDS = 60.0
LOOK_SECONDS = 10.0


class ConnectionCounter:
    """Counts open connections, in all and for each host. What is turned away is reported once a minute for each host."""

    def __init__(self, most: int, most_per_host: int) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._by_host: Counter[str] = Counter()
        self._refused: Counter[tuple[str, RefusedConnections]] = Counter()
        self._reported: dict[tuple[str, RefusedConnections], float] = {}
        self.open = 0

    def enter(self, host: str) -> RefusedConnections | None:
        """Counts a connection, which must `leave` later. A returned cause says why it may not stay."""
        if self.open >= self._most:
            return RefusedConnections.TOO_MANY
        if self._by_host[host] >= self._most_per_host:
            return RefusedConnections.TOO_MANY_FROM_HOST
        self.open += 1
        self._by_host[host] += 1
        return None

    def leave(self, host: str) -> None:
        self.open -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]

    def to_report(self, host: str, cause: RefusedConnections, now: float) -> int:
        """How many refusals to report now, this one counted; 0 within a minute of the last report."""
        key = host, cause
        self._refused[key] += 1
        if now - self._reported.get(key, -REPORT_SECONDS) < REPORT_SECONDS:
            return 0
        self._forget_old(now)
        self._reported[key] = now
        return self._refused.pop(key)

    def _forget_old(self, now: float) -> None:
        old = [key for key, at in self._reported.items() if now - at >= REPORT_SECONDS]
        for key in old:
            del self._reported[key]


class PerHostSemaphore:
    """So many at once for each host; its others wait, first come, first served."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._here: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, host: str) -> AsyncIterator[None]:
        """The host's turn is what happens inside."""
        self._here[host] += 1
        try:
            async with self._hosts.setdefault(host, asyncio.Semaphore(self._at_once)):
                yield
        finally:
            self._here[host] -= 1
            if not self._here[host]:
                del self._here[host], self._hosts[host]


class Deadline:
    """One lazy timer a session: moving it later costs an assignment. It looks at the clock now and then."""

    __slots__ = ("_at", "_handle", "_late", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop = loop
        self._late = late
        self._at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """`late` is called unless this is called again within so many seconds."""
        self._at = at = self._loop.time() + seconds
        if self._handle is None or self._handle.when() > at:
            self._look_again()

    def rest(self) -> None:
        """No deadline until the next `within`."""
        self._at = float("inf")

    def cancel(self) -> None:
        if self._handle:
            self._handle.cancel()
            self._handle = None

    def _look_again(self) -> None:
        self.cancel()
        self._handle = self._loop.call_at(min(self._at, self._loop.time() + LOOK_SECONDS), self._look)

    def _look(self) -> None:
        self._handle = None
        if self._loop.time() < self._at:
            self._look_again()
        else:
            self._late()


class MinimumDataRate:
    """How fast a body must come in: as it likes for the `grace`, then `rate` bytes a second on average; never `idle` without any.

    Times in seconds.
    """

    __slots__ = ("_begun", "_deadline", "_grace", "_idle", "_rate")

    def __init__(self, deadline: Deadline, grace: float, rate: float, idle: float) -> None:
        self._begun = time.monotonic()
        self._deadline = deadline
        self._grace = grace
        self._rate = rate
        self._idle = idle
        deadline.within(min(grace, idle))

    def received(self, size: int) -> None:
        """So many bytes in all, by now."""
        left = self._begun + self._grace + size / self._rate - time.monotonic()
        self._deadline.within(min(left, self._idle))

    def ended(self) -> None:
        """The body is in: what follows is up to the gate."""
        self._deadline.rest()
