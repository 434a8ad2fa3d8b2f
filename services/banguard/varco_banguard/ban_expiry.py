"""Ends bans and stops when their time is over, and forgets hosts of which all is too old."""

from datetime import UTC, datetime, timedelta

from varco_banguard.ban_decisions import on_time
from varco_banguard.model import Host
from varco_banguard.projections import BanguardState, if_known
from varco_common.base.due_queue import DueQueue
from varco_common.base.tasks import retry_until_available
from varco_common.events import AnyEvent, HostBanned, HostEvent, LoginStopped

SWEEP_SECONDS = 600.0  # old hosts only cost memory, and a look at all of them takes milliseconds
_SWEEP = ""  # in the place of a network


class BanExpiry:
    """Waits for the next end of a ban or stop, and for the next look at all hosts."""

    def __init__(self, state: BanguardState) -> None:
        self._state, self._due = state, DueQueue()
        for network, host in state.hosts.items():
            if host.ban and host.ban.until:
                self._due.push(host.ban.until, network)
            for stop in host.active_stops:
                if stop.until:
                    self._due.push(stop.until, network)
        state.hosts.on_event(self._on_host_event)

    async def run(self) -> None:
        """Until cancelled."""
        self._due.push(datetime.now(UTC), _SWEEP)
        while True:
            network = await self._due.pop()
            if network != _SWEEP:
                await self._settle(network)
                continue
            for old in [old for old, host in self._state.hosts.items() if self._decide(host)]:
                await self._settle(old)
            self._due.push(datetime.now(UTC) + timedelta(seconds=SWEEP_SECONDS), _SWEEP)

    async def _settle(self, network: str) -> None:
        await retry_until_available(lambda: self._state.settle(network, if_known(self._decide)))

    def _decide(self, host: Host) -> HostEvent | None:
        return on_time(host, self._state.settings.rules, datetime.now(UTC))

    def _on_host_event(self, network: str, event: AnyEvent) -> None:
        if isinstance(event, HostBanned | LoginStopped) and event.until:
            self._due.push(event.until, network)
