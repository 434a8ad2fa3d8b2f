"""Keeps the kernel's table like the ban table: each change as it comes, the whole of it at the start and after a failure."""

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
Run = Callable[[Sequence[Command]], Awaitable[None]]


class FirewallAgent:
    """`heard` notes what changed; `run` tells the kernel, many changes in one transaction where they come fast."""

    def __init__(self, table: BanTable, ports: Sequence[int], run: Run = nft.run) -> None:
        self._table, self._ports, self._run = table, ports, run
        self._changes: list[Command] = []
        self._rebuild = True
        self._changed = asyncio.Event()
        self.failure = ""

    def heard(self, said: object) -> None:
        """After the table has applied it."""
        now = datetime.now(UTC)
        match said:
            case HostBanned(network=network, until=until) if ruleset.single(one := network_of(network)):
                self._changes += ruleset.ban_host(ActiveBan(one, until), now)
            case HostUnbanned(network=network) if ruleset.single(one := network_of(network)):
                self._changes += ruleset.lift_host(one)
            case _:  # networks overlap, and are replaced together
                wide = (ban.network for ban in self._table.bans() if not ruleset.single(ban.network))
                self._changes += ruleset.networks("networks", wide)
                self._changes += ruleset.networks("never", self._never())
        self._changed.set()

    async def run(self, caught_up: asyncio.Event) -> None:
        """Until cancelled; then the table is removed."""
        await caught_up.wait()
        try:
            while True:
                await retry_until_available(self._tell)
                await self._changed.wait()
        finally:
            await self._end()

    def check(self) -> None:
        """For /readyz."""
        if self._rebuild:
            raise TransientError(self.failure or "the kernel's table isn't made yet")

    async def _tell(self) -> None:
        self._changed.clear()
        changes, self._changes = self._changes, []
        if self._rebuild:
            changes = ruleset.build(self._ports, self._table.bans(), self._never(), datetime.now(UTC))
        try:
            await self._run(changes)
        except TransientError as error:
            self._rebuild, self.failure = True, str(error)
            raise
        self._rebuild, self.failure = False, ""

    async def _end(self) -> None:
        try:
            await self._run(ruleset.remove())
        except TransientError as error:
            _log.warning("the kernel's table stays", error=str(error))

    def _never(self) -> list[Network]:
        return [*self._table.never, *self._table.ignored]
