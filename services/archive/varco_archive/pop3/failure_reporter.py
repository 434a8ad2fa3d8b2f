"""Appends failed logins to EVENTS in the background, so that no client waits for the bus."""

import asyncio

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.events import AuthFailed

_log = log.get(__name__)


class FailureReporter:
    """`flush` waits for the appends that are still running."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()

    def report(self, event: AuthFailed) -> None:
        task = asyncio.create_task(self._append(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _append(self, event: AuthFailed) -> None:
        try:
            await self._bus.events.append(event)
        except TransientError as error:
            _log.warning("a failed login was not recorded", subject=event.subject, error=str(error))
