"""banguard's HTTP API: one file a subject.

An account's token sees the bans that rest on its own logins, senders or networks, and can lift
those.
"""

from fastapi import APIRouter

from varco_banguard.api import bans, gateways, ignored_networks, log, rules, stops
from varco_banguard.ban_log import BanLog
from varco_banguard.projections import BanguardState
from varco_common.bus import Bus
from varco_common.eventsourcing.command_executor import CommandExecutor


def router(bus: Bus, state: BanguardState, ban_log: BanLog) -> APIRouter:
    """All routes of the service."""
    executor = CommandExecutor(state.settings_projection)
    api = APIRouter()
    for part in (
        bans.router(bus, state),
        stops.router(state),
        gateways.router(state),
        ignored_networks.router(state, executor),
        rules.router(state, executor),
        log.router(ban_log),
    ):
        api.include_router(part)
    return api
