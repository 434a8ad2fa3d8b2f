"""The ban log: follows banguard's events, writes them to a file, and serves readers over HTTP."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import NamedTuple

from varco_banguard.ban_log_file import BanLogFile
from varco_banguard.fail2ban_format import LOGGED_EVENTS, log_line
from varco_banguard.projections import NAME
from varco_common.base import log
from varco_common.base.subjects import event, token
from varco_common.base.tasks import ended, retry_until_available
from varco_common.bus import Bus
from varco_common.events import HostEvent
from varco_common.events.ban_table import banned_as

MAX_RECENT = 20_000  # lines in memory
LOOK_BACK = 200_000  # sequences of the event stream that a start looks through to fill the memory
_MAX_BEHIND = 10_000  # lines; a reader that is further behind is cut off

_log = log.get(__name__)


class LogLine(NamedTuple):
    event: HostEvent
    text: str


EventFilter = Callable[[HostEvent], bool]


class BanLog:
    """If the file cannot be written, everything else goes on.

    `draining` ends the answers to live readers.
    """

    def __init__(self, bus: Bus, file: BanLogFile | None, draining: asyncio.Event) -> None:
        self._bus, self._file, self._draining = bus, file, draining
        self._recent: deque[LogLine] = deque(maxlen=MAX_RECENT)
        self._readers: set[asyncio.Queue[LogLine]] = set()
        self._failing = False

    async def run(self) -> None:
        """Until cancelled."""
        newest = await retry_until_available(lambda: self._bus.events.last_sequence(*LOGGED_EVENTS))
        after = max(0, newest - LOOK_BACK)
        if self._file:
            if self._file.is_position_lost:
                _log.warning("the position of the ban log was damaged: it goes on with new lines", sequence=newest)
                self._file.skip(newest)
            after = min(after, self._file.position.sequence)
        async with aclosing(self._bus.events.follow(*LOGGED_EVENTS, after=after)) as events:
            async for stored in events:
                if line := _line(stored.event):
                    self._write(stored.sequence, line.text)
                    self._publish(line)

    async def past(self, host: str, is_wanted: EventFilter, limit: int) -> list[LogLine]:
        """The newest lines, oldest first. Lines of all hosts are only those in memory."""
        lines = await self._of_host(host) if host else [*self._recent]
        return [line for line in lines if is_wanted(line.event)][-limit:]

    def live(self, host: str, is_wanted: EventFilter) -> AsyncIterator[LogLine]:
        """New lines, until the reader leaves or is too far behind, or the process ends."""
        queue: asyncio.Queue[LogLine] = asyncio.Queue(_MAX_BEHIND)
        self._readers.add(queue)
        return self._read(queue, banned_as(host) if host else "", is_wanted)

    async def _read(
        self, queue: asyncio.Queue[LogLine], network: str, is_wanted: EventFilter
    ) -> AsyncIterator[LogLine]:
        draining = asyncio.create_task(self._draining.wait())
        try:
            while queue in self._readers:
                getting = asyncio.create_task(queue.get())
                await asyncio.wait([getting, draining], return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    await ended(getting)
                    return
                line = getting.result()
                if is_wanted(line.event) and network in ("", line.event.network):
                    yield line
        finally:
            draining.cancel()
            self._readers.discard(queue)

    async def _of_host(self, host: str) -> list[LogLine]:
        async with aclosing(self._bus.events.read(event(NAME, "*", token(banned_as(host))))) as events:
            lines = [_line(stored.event) async for stored in events]
        return [line for line in lines if line]

    def _write(self, sequence: int, text: str) -> None:
        try:
            if self._file:
                self._file.write(sequence, text)
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.error("the ban log cannot be written", error=str(error))
            self._failing = True

    def _publish(self, line: LogLine) -> None:
        self._recent.append(line)
        for queue in [*self._readers]:
            try:
                queue.put_nowait(line)
            except asyncio.QueueFull:
                self._readers.discard(queue)


def _line(event: object) -> LogLine | None:
    """None for an event that is not logged."""
    if isinstance(event, HostEvent) and (text := log_line(event, os.getpid())):
        return LogLine(event, text)
    return None
