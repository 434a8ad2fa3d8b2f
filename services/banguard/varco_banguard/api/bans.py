"""Bans: list them, set one by hand, show a host, lift a ban."""

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter

from varco_banguard import commands, unban_decisions
from varco_banguard.api.parameters import CommandWithReason, NetworkPath
from varco_banguard.api.schemas import BanIn, BanOut, HostOut, LiftedOut, is_visible, visible_stops, visible_strikes
from varco_banguard.ban_settings import IgnoredNetwork
from varco_banguard.model import Host, counted_strikes, readers_of, strikes_of_account
from varco_banguard.normalization import normal_network
from varco_banguard.projections import BanguardState, if_known
from varco_banguard.unban_decisions import Attribution
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.bus import Bus
from varco_common.events import HostEvent
from varco_common.events.ban_table import ENFORCER_STATUS, EnforcerStatus, Network, address_of, key_of, network_of
from varco_common.runtime.auth import Admin, Caller, visible_account
from varco_common.runtime.tokens import ApiToken

_enforcer_status = msgspec.json.Decoder(EnforcerStatus)


def router(bus: Bus, state: BanguardState) -> APIRouter:
    api = APIRouter(prefix="/bans", tags=["bans"])

    @api.get("")
    async def list_bans(token: Caller) -> list[BanOut]:
        """The bans in force, the newest first."""
        bans = [
            BanOut.of(network, host.ban, token)
            for network, host in state.hosts.items()
            if host.ban and _may_see(host, token)
        ]
        return sorted(bans, key=lambda ban: ban.since, reverse=True)

    @api.post("", status_code=201)
    async def add_ban(form: BanIn, token: Admin) -> BanOut:
        """Bans by hand; a ban that is there is replaced."""
        network = key_of(normal_network(form.network))
        with suppress(ValueError):
            address = address_of(form.network.strip())
            if exempt := state.table.exempt(address):
                raise RefusedCommand(f"{form.network} is never banned: {exempt} is ignored")
            if spared := state.table.why_spared(address):
                raise RefusedCommand(f"{form.network} is never banned: {spared}")
        await state.hosts.check()
        attribution, rules = Attribution(datetime.now(UTC), token.by, form.reason), state.settings.rules
        host = await state.settle(network, lambda host: commands.ban(host, network, form.bantime, rules, attribution))
        assert host
        assert host.ban
        return BanOut.of(host.network, host.ban, token)

    @api.get("/{network:path}")
    async def show_host(network: NetworkPath, token: Caller) -> HostOut:
        """Everything that is known of a host, and which processes refuse it."""
        normal = normal_network(network)
        key = key_of(normal)
        host = state.hosts.get(key)
        if not token.is_admin and not (host and _may_see(host, token)):
            raise NotFound(f"nothing of {token.scope} speaks against {key}")
        banned = host if host and host.ban else state.banned_around(normal, datetime.now(UTC))
        address = str(normal.network_address) if "/" in network else network.strip()
        return HostOut(
            network=key,
            ban=BanOut.of(banned.network, banned.ban, token) if banned and banned.ban else None,
            stops=visible_stops(host, token) if host else [],
            strikes=visible_strikes(host.strikes, token) if host else [],
            bans=host.bans if host else 0,
            ignored=[entry.network for entry in state.settings.ignored if _overlaps(entry, normal, token)],
            enforcers=await _enforcers(bus, address),
        )

    @api.delete("/{network:path}")
    async def lift_ban(network: NetworkPath, command: CommandWithReason, token: Caller) -> LiftedOut:
        """Ends the ban of a host, and the stops of logins there.

        An account's token takes back its own strikes; the ban stands if the others suffice.
        """
        attribution = Attribution(datetime.now(UTC), command.by, command.reason)
        key = key_of(normal_network(network))
        host = await _lift(state, normal_network(network), visible_account(token), attribution)
        banned = bool(host and host.ban)
        why = "it rests on strikes that concern others, or was set by hand" if banned else ""
        return LiftedOut(network=key, banned=banned, why=why)

    return api


async def _lift(state: BanguardState, network: Network, account: str, attribution: Attribution) -> Host | None:
    """Ends the ban for an admin (`account` empty); forgives an account's own strikes.

    Raises NotFound.
    """
    key = key_of(network)
    host = state.hosts.get(key)
    if not host or not (host.ban or host.active_stops) or (account and not _concerns(host, account)):
        wider = None if account else state.banned_around(network, attribution.at)
        raise NotFound(f"{key} is not banned by itself: {wider.network} is" if wider else f"{key} is not banned")
    await state.hosts.check()
    rules = state.settings.rules

    def decide(host: Host) -> HostEvent | None:
        if not account:
            return unban_decisions.lift(host, attribution)
        return unban_decisions.lift_stops(host, attribution, account=account) or unban_decisions.forgive(
            host, strikes_of_account(host, account), rules, attribution
        )

    return await state.settle(key, if_known(decide))


async def _enforcers(bus: Bus, host: str) -> list[EnforcerStatus]:
    replies = await bus.requests.ask_everyone(ENFORCER_STATUS, host.encode())
    return sorted(map(_enforcer_status.decode, replies), key=lambda enforcer: (enforcer.service, enforcer.process))


def _concerns(host: Host, account: str) -> bool:
    stopped = any(stop.account == account for stop in host.active_stops)
    return stopped or bool(host.ban and account in readers_of(counted_strikes(host)))


def _may_see(host: Host, token: ApiToken) -> bool:
    return token.is_admin or any(is_visible(strike, token) for strike in counted_strikes(host))


def _overlaps(ignored: IgnoredNetwork, network: Network, token: ApiToken) -> bool:
    """Whether the ignored network covers some of `network`.

    An account does not see what another account ignores.
    """
    other = network_of(ignored.network)
    visible = token.is_admin or ignored.account in ("", token.scope)
    return visible and network.version == other.version and network.overlaps(other)
