"""Appends events in the background, where nobody can wait for the bus."""

import asyncio
from collections.abc import Callable

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus.event_log import EventLog
from varco_common.events import Event

_log = log.get(__name__)


class BackgroundAppends:
    """An event that cannot be stored is logged, and lost."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()

    def append(self, event: Event, on_failure: Callable[[], None] = lambda: None) -> None:
        task = asyncio.create_task(self._append(event, on_failure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self, seconds: float | None = None) -> None:
        """Waits for the appends that have begun, at most this time."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _append(self, event: Event, on_failure: Callable[[], None]) -> None:
        try:
            await self._events.append(event)
        except TransientError as error:
            _log.warning("an event was not stored", subject=event.subject, error=str(error))
            on_failure()
