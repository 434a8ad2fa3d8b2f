"""Keeps the ban table of a process up to date that refuses banned hosts (ADR 15)."""

import asyncio
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from varco_common.bus import Bus, StoredEvent
from varco_common.events import AnyEvent
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS, BanTable
from varco_common.runtime.event_follower import follow_events

EventCallback = Callable[[AnyEvent], None]


class BanEnforcement:
    """Applies the events of ENFORCED to the table, and calls `on_event` after each.

    `also` are subjects of further events for `on_event`. `how` tells operators how hosts are
    refused.
    """

    def __init__(
        self, bus: Bus, table: BanTable, service: str, how: str, *, on_event: EventCallback, also: tuple[str, ...] = ()
    ) -> None:
        self.table = table
        self.caught_up = asyncio.Event()
        self._bus, self._service, self._how, self._on_event = bus, service, how, on_event
        self._filters = (*ENFORCED, *also)
        self._process = f"{socket.gethostname()}:{os.getpid()}"

    async def run(self) -> None:
        """Until cancelled. `caught_up` is set when all events from before the start are applied."""
        await self._bus.requests.answer_everyone(ENFORCER_STATUS, self._status)
        await follow_events(self._bus, *self._filters, apply=self._apply, caught_up=self.caught_up)

    def _apply(self, stored: StoredEvent) -> None:
        self.table.apply(stored.sequence, stored.event)
        self._on_event(stored.event)

    async def _status(self, host: bytes) -> bytes:
        """Whether this process refuses a host (`192.0.2.7`)."""
        now = datetime.now(UTC)
        answer = self.table.answer(host.decode(), now, service=self._service, process=self._process, how=self._how)
        return msgspec.json.encode(answer)
