"""Long answers of the services, read in the background while pages show how far they are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from cachetools import LRUCache

from varco_common.base.errors import RefusedCommand, VarcoError
from varco_console.web.job_state import JobState

_REMEMBERED = 200
_AT_ONCE = 8


class BackgroundJobs:
    """One job for each key, such as a person and a page. A new one takes the place of the old."""

    def __init__(self) -> None:
        self._states: LRUCache[str, JobState] = LRUCache(_REMEMBERED)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def state(self, key: str) -> JobState | None:
        return self._states.get(key)

    def report(self, key: str, state: JobState) -> None:
        """How far an answer is that a browser reads."""
        self._states[key] = state

    def start(self, key: str, lines: AsyncIterator[dict[str, Any]]) -> None:
        """Raises RefusedCommand while too many run."""
        if old := self._tasks.get(key):
            old.cancel()
        elif len(self._tasks) >= _AT_ONCE:
            raise RefusedCommand("too many of these run already: try again in a minute")
        self._states[key] = JobState()
        task = self._tasks[key] = asyncio.create_task(self._run(key, lines), name=key)
        task.add_done_callback(lambda ended: self._forget(key, ended))

    async def close(self) -> None:
        """Ends all of them."""
        for task in [*self._tasks.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, key: str, lines: AsyncIterator[dict[str, Any]]) -> None:
        state = JobState()
        try:
            async for line in lines:
                state = self._states[key] = JobState(line)
            self._states[key] = state._replace(done=True)
        except VarcoError as error:
            self._states[key] = state._replace(done=True, failure=str(error))

    def _forget(self, key: str, ended: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is ended:
            del self._tasks[key]
