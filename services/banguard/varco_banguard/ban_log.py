"""The ban log as it grows: into its file, and to those who read it over HTTP."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import NamedTuple

from varco_banguard.ban_log_file import BanLogFile
from varco_banguard.fail2ban_format import LOGGED_EVENTS, log_line
from varco_common.base import log
from varco_common.base.subjects import event, token
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import HostEvent
from varco_common.events.ban_table import banned_as

RECENT = 20_000  # lines in memory
LOOK_BACK = 200_000  # events of the whole gate that are looked through for them at the start
_BEHIND = 10_000  # lines that a reader may be behind before it is let go

_log = log.get(__name__)


class LogLine(NamedTuple):
    """One line, and the event that it tells of."""

    said: HostEvent
    text: str


LineFilter = Callable[[HostEvent], bool]


class BanLog:
    """Follows banguard's own events. A file that can't be written to stops nothing else."""

    def __init__(self, bus: Bus, file: BanLogFile | None, draining: asyncio.Event) -> None:
        self._bus, self._file, self._draining = bus, file, draining
        self._recent: deque[LogLine] = deque(maxlen=RECENT)
        self._readers: set[asyncio.Queue[LogLine]] = set()
        self._failure = ""

    async def run(self) -> None:
        newest = await retry_until_available(lambda: self._bus.events.last_sequence(*LOGGED_EVENTS))
        after = max(0, newest - LOOK_BACK)
        if self._file:
            after = min(after, self._file.position.sequence)
        async with aclosing(self._bus.events.follow(*LOGGED_EVENTS, after=after)) as events:
            async for stored in events:
                if isinstance(stored.event, HostEvent) and (text := log_line(stored.event, os.getpid())):
                    self._write(stored.sequence, text)
                    self._add(LogLine(stored.event, text))

    async def past(self, host: str, wanted: LineFilter, most: int) -> list[str]:
        """The newest lines, oldest first; for a host all there ever were, otherwise those in memory."""
        entries = [entry async for entry in self._of(host)] if host else [*self._recent]
        return [entry.text for entry in entries if wanted(entry.said)][-most:]

    def live(self, host: str, wanted: LineFilter) -> AsyncIterator[str]:
        """New lines from now on as they come, until the reader goes or is too slow, or the process ends."""
        queue: asyncio.Queue[LogLine] = asyncio.Queue(_BEHIND)
        self._readers.add(queue)
        return self._lines(queue, banned_as(host) if host else "", wanted)

    async def _lines(self, queue: asyncio.Queue[LogLine], network: str, wanted: LineFilter) -> AsyncIterator[str]:
        ending = asyncio.create_task(self._draining.wait())
        try:
            while queue in self._readers:
                getting = asyncio.create_task(queue.get())
                await asyncio.wait([getting, ending], return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    return
                said, text = getting.result()
                if wanted(said) and network in ("", said.network):
                    yield text
        finally:
            ending.cancel()
            self._readers.discard(queue)

    async def _of(self, host: str) -> AsyncIterator[LogLine]:
        of_host = event("banguard", "*", token(banned_as(host)))
        if not (until := await self._bus.events.last_sequence(of_host)):
            return
        async with aclosing(self._bus.events.follow(of_host)) as events:
            async for stored in events:
                if isinstance(stored.event, HostEvent) and (text := log_line(stored.event, os.getpid())):
                    yield LogLine(stored.event, text)
                if stored.sequence >= until:
                    return

    def _write(self, sequence: int, text: str) -> None:
        if not self._file:
            return
        try:
            self._file.write(sequence, text)
            self._failure = ""
        except OSError as error:
            if not self._failure:
                _log.error("the ban log can't be written", error=str(error))
            self._failure = str(error)

    def _add(self, entry: LogLine) -> None:
        self._recent.append(entry)
        for queue in [*self._readers]:
            try:
                queue.put_nowait(entry)
            except asyncio.QueueFull:
                self._readers.discard(queue)
