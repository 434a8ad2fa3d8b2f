"""Stopped logins: list them, let one send again."""

from datetime import UTC, datetime

from fastapi import APIRouter

from varco_banguard import unban_decisions
from varco_banguard.api.parameters import CommandWithReason, LoginPath
from varco_banguard.api.schemas import ResumedOut, StopOut, visible_stops
from varco_banguard.model import Host
from varco_banguard.projections import BanguardState, if_known
from varco_banguard.unban_decisions import Attribution
from varco_common.base.errors import NotFound
from varco_common.events import HostEvent
from varco_common.events.stop_table import normal_login
from varco_common.runtime.auth import Caller, visible_account


def router(state: BanguardState) -> APIRouter:
    api = APIRouter(prefix="/stops", tags=["stopped logins"])

    @api.get("")
    async def list_stops(token: Caller) -> list[StopOut]:
        """The logins that are stopped now, each at one host; the newest first."""
        stops = [stop for _, host in state.hosts.items() for stop in visible_stops(host, token)]
        return sorted(stops, key=lambda stop: stop.since, reverse=True)

    @api.delete("/{login:path}")
    async def lift_stops(login: LoginPath, command: CommandWithReason, token: Caller) -> ResumedOut:
        """Ends every stop of a login. To end all stops at a host, lift its ban."""
        account, name = visible_account(token), normal_login(login)
        networks = [
            host.network
            for _, host in state.hosts.items()
            if any(stop.login == name and account in ("", stop.account) for stop in host.active_stops)
        ]
        if not networks:
            raise NotFound(f"{name} is not stopped")
        await state.hosts.check()
        attribution = Attribution(datetime.now(UTC), command.by, command.reason)
        for network in networks:
            await state.settle(network, if_known(lambda host: _lifted(host, attribution, account, name)))
        return ResumedOut(login=name, networks=networks)

    return api


def _lifted(host: Host, attribution: Attribution, account: str, login: str) -> HostEvent | None:
    return unban_decisions.lift_stops(host, attribution, account=account, login=login)
