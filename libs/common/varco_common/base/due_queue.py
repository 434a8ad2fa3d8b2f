"""Keys in the order of the times at which they are due."""

import asyncio
from datetime import UTC, datetime
from heapq import heappop, heappush

from varco_common.base.tasks import done_within


class DueQueue:
    """A key may be in it several times."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []
        self._pushed = asyncio.Event()

    def push(self, at: datetime, key: str) -> None:
        heappush(self._heap, (at, key))
        self._pushed.set()

    async def pop(self) -> str:
        """Waits until a key is due, and takes it out."""
        while (seconds := self._seconds_to_first()) is None or seconds > 0:
            self._pushed.clear()
            await done_within(self._pushed.wait(), seconds)
        return heappop(self._heap)[1]

    def _seconds_to_first(self) -> float | None:
        return (self._heap[0][0] - datetime.now(UTC)).total_seconds() if self._heap else None
