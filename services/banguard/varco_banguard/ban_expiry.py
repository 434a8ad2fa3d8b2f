"""Ends each ban when its time is over, and forgets hosts whose strikes and bans are too old."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from varco_banguard.ban_decisions import on_time
from varco_banguard.model import Host
from varco_banguard.projections import BanguardState, if_known
from varco_common.base.tasks import done_within, retry_until_available
from varco_common.events import AnyEvent, HostBanned, HostEvent

SWEEP_SECONDS = 600.0  # old hosts only cost memory, and a look at all of them takes milliseconds


class BanExpiry:
    """`run` waits for the next end of a ban. A ban that begins meanwhile wakes it."""

    def __init__(self, state: BanguardState) -> None:
        self._state = state
        self._ends = [(host.ban.until, network) for network, host in state.hosts.items() if host.ban and host.ban.until]
        heapq.heapify(self._ends)
        self._new_ban = asyncio.Event()
        state.hosts.on_event(self._on_host_event)

    async def run(self) -> None:
        """Until cancelled."""
        sweep = datetime.now(UTC)
        while True:
            now = datetime.now(UTC)
            if now >= sweep:
                for network in [network for network, host in self._state.hosts.items() if self._decide(host)]:
                    await self._settle(network)
                sweep = datetime.now(UTC) + timedelta(seconds=SWEEP_SECONDS)
            while self._ends and self._ends[0][0] <= now:
                await self._settle(heapq.heappop(self._ends)[1])
            await self._wait_until(min(sweep, self._ends[0][0]) if self._ends else sweep)

    async def _wait_until(self, due: datetime) -> None:
        """Returns at `due`, or earlier when a ban begins."""
        self._new_ban.clear()
        await done_within(self._new_ban.wait(), max((due - datetime.now(UTC)).total_seconds(), 0.001))

    async def _settle(self, network: str) -> None:
        await retry_until_available(lambda: self._state.settle(network, if_known(self._decide)))

    def _decide(self, host: Host) -> HostEvent | None:
        return on_time(host, self._state.settings.rules, datetime.now(UTC))

    def _on_host_event(self, network: str, event: AnyEvent) -> None:
        if isinstance(event, HostBanned) and event.until:
            heapq.heappush(self._ends, (event.until, network))
            self._new_ban.set()
