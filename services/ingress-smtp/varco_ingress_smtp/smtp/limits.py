"""What one client may take: connections, logins at once, time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from varco_common.events import RefusedConnections

REPORT_SECONDS = 60.0  # a flood of refused connections becomes one event a minute for each host
COMMAND_SECONDS = 300.0  # how long a session waits for the next command (RFC 5321 4.5.3.2.7)
HANDSHAKE_SECONDS = 30.0  # how long a TLS handshake may take
DATA_GRACE_SECONDS = 60.0  # a body may begin slowly, as from a laptop that wakes up
MIN_DATA_RATE = 1_024  # bytes a second that a body must reach on average from then on
MAX_ERRORS = 10  # rejected commands of one session; then it is closed with 421
CHECK_SECONDS = 5.0  # how often a Deadline looks at the clock; not above LINGER_SECONDS: closing then sets no new timer


class RefusalReports:
    """Counts refused connections for reports, so that a flood of them is no flood of events."""

    def __init__(self) -> None:
        self._refused: Counter[tuple[str, RefusedConnections]] = Counter()
        self._reported: dict[tuple[str, RefusedConnections], float] = {}

    def to_report(self, host: str, cause: RefusedConnections, now: float) -> int:
        """Refusals to report now, this one included; 0 within a minute of the last report."""
        key = host, cause
        self._refused[key] += 1
        if now - self._reported.get(key, -REPORT_SECONDS) < REPORT_SECONDS:
            return 0
        self._reported = {old: at for old, at in self._reported.items() if now - at < REPORT_SECONDS} | {key: now}
        return self._refused.pop(key)


class PerHostSemaphore:
    """Lets a few tasks of each host in at once. The others wait, first come, first served."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._semaphores: dict[str, asyncio.Semaphore] = {}
        self._tasks: Counter[str] = Counter()

    def __len__(self) -> int:
        """Hosts that are in or wait."""
        return len(self._semaphores)

    @asynccontextmanager
    async def of(self, host: str) -> AsyncIterator[None]:
        """Waits for a place of this host, and holds it in the block."""
        self._tasks[host] += 1
        try:
            async with self._semaphores.setdefault(host, asyncio.Semaphore(self._at_once)):
                yield
        finally:
            self._tasks[host] -= 1
            if not self._tasks[host]:
                del self._tasks[host], self._semaphores[host]


class Deadline:
    """One lazy timer for each connection: to move it later costs an assignment."""

    __slots__ = ("_at", "_handle", "_loop", "_on_late")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_late: Callable[[], None]) -> None:
        self._loop = loop
        self._on_late = on_late
        self._at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Calls `on_late` unless this is called again within that time."""
        self._at = at = self._loop.time() + seconds
        if self._handle is None or self._handle.when() > at:
            self._schedule()

    def rest(self) -> None:
        """No deadline until the next `within`."""
        self._at = float("inf")

    def cancel(self) -> None:
        if self._handle:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        self.cancel()
        self._handle = self._loop.call_at(min(self._at, self._loop.time() + CHECK_SECONDS), self._check)

    def _check(self) -> None:
        self._handle = None
        if self._loop.time() < self._at:
            self._schedule()
        else:
            self._on_late()


class MinimumDataRate:
    """How fast a body must come in: `rate` bytes a second on average, after `grace` seconds.

    It may never pause longer than `idle` seconds.
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
        """`size` is all bytes of the body so far."""
        left = self._begun + self._grace + size / self._rate - time.monotonic()
        self._deadline.within(min(left, self._idle))

    def ended(self) -> None:
        """The body is complete: from here on the client waits for the gate."""
        self._deadline.rest()
