"""Keeps the kernel's table equal to the ban table.

Change by change; at the start and after a failure, the whole table is built.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from varco_banguard.firewall import nft, ruleset
from varco_banguard.firewall.ruleset import Command
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.tasks import retry_until_available
from varco_common.events import HostBanned, HostUnbanned
from varco_common.events.ban_table import ActiveBan, BanTable, Network, network_of

_log = log.get(__name__)
RunNft = Callable[[Sequence[Command]], Awaitable[None]]


class FirewallAgent:
    """`on_event` collects nft commands; `run` gives them to nft in one transaction."""

    def __init__(self, table: BanTable, ports: Sequence[int], run_nft: RunNft = nft.run) -> None:
        self._table, self._ports, self._run_nft = table, ports, run_nft
        self._commands: list[Command] = []
        self._rebuild = True
        self._changed = asyncio.Event()
        self._failure = ""

    def on_event(self, event: object) -> None:
        """Called after the ban table has applied the event."""
        now = datetime.now(UTC)
        match event:
            case HostBanned(network=text, until=until) if ruleset.is_host(network := network_of(text)):
                self._commands += ruleset.ban_host(ActiveBan(network, until), now)
            case HostUnbanned(network=text) if ruleset.is_host(network := network_of(text)):
                self._commands += ruleset.unban_host(network)
            case _:  # networks overlap, so their sets are replaced as a whole
                banned = (ban.network for ban in self._table.bans() if not ruleset.is_host(ban.network))
                self._commands += ruleset.replace_networks("networks", banned)
                self._commands += ruleset.replace_networks("never", self._never_banned())
        self._changed.set()

    async def run(self, caught_up: asyncio.Event) -> None:
        """Until cancelled; then it removes the kernel's table."""
        await caught_up.wait()
        try:
            while True:
                await retry_until_available(self._update_kernel)
                await self._changed.wait()
        finally:
            try:
                await self._run_nft(ruleset.remove())
            except TransientError as error:
                _log.warning("the kernel's table cannot be removed", error=str(error))

    def check(self) -> None:
        """For /readyz."""
        if self._rebuild:
            raise TransientError(self._failure or "the kernel's table isn't made yet")

    async def _update_kernel(self) -> None:
        self._changed.clear()
        commands, self._commands = self._commands, []
        if self._rebuild:
            commands = ruleset.build(self._ports, self._table.bans(), self._never_banned(), datetime.now(UTC))
        try:
            await self._run_nft(commands)
        except TransientError as error:
            self._rebuild, self._failure = True, str(error)
            raise
        self._rebuild, self._failure = False, ""

    def _never_banned(self) -> list[Network]:
        return [*self._table.never, *self._table.ignored, *map(network_of, self._table.gateways)]
