"""Networks whose failures do not count: list, add, remove."""

from datetime import UTC, datetime

from fastapi import APIRouter

from varco_banguard import commands
from varco_banguard.api.parameters import CommandWithReason, NetworkPath
from varco_banguard.ban_settings import BanSettings, IgnoredNetwork
from varco_banguard.normalization import normal_ignored_network, normal_network
from varco_banguard.projections import BanguardState
from varco_common.events.ban_table import key_of
from varco_common.events.banguard import GATE
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.runtime.auth import Caller, visible_account


def router(state: BanguardState, executor: CommandExecutor[BanSettings]) -> APIRouter:
    api = APIRouter(prefix="/ignored", tags=["ignored networks"])

    @api.get("")
    async def list_ignored(token: Caller) -> list[IgnoredNetwork]:
        """Networks whose failures do not count."""
        return [entry for entry in state.settings.ignored if token.is_admin or token.scope == entry.account]

    @api.put("/{network:path}")
    async def ignore(network: NetworkPath, command: CommandWithReason, token: Caller) -> IgnoredNetwork:
        """From now on its failures do not count, and bans that it covers end.

        If an account ignores it, this holds for failures that concern the account.
        """
        account = visible_account(token)
        key = key_of(normal_ignored_network(network, account))
        await executor.execute(
            GATE, command, lambda settings, context: commands.ignore(settings, context, key, account)
        )
        entry = state.settings.ignored_network(key, account)  # None: removed meanwhile
        return entry or IgnoredNetwork(network=key, since=datetime.now(UTC))

    @api.delete("/{network:path}", status_code=204)
    async def unignore(network: NetworkPath, command: CommandWithReason, token: Caller, account: str = "") -> None:
        """Its failures count again. An admin may name the account that ignores it."""
        key, owner = key_of(normal_network(network)), account if token.is_admin else token.scope
        await executor.execute(
            GATE, command, lambda settings, context: commands.unignore(settings, context, key, owner)
        )

    return api
