"""Gateways, which are never banned: list them."""

from datetime import UTC, datetime

from fastapi import APIRouter

from varco_banguard.api.schemas import GatewayOut
from varco_banguard.gateways import failures, is_spared
from varco_banguard.projections import BanguardState
from varco_common.runtime.auth import Caller


def router(state: BanguardState) -> APIRouter:
    api = APIRouter(prefix="/gateways", tags=["gateways"])

    @api.get("")
    async def list_gateways(_: Caller) -> list[GatewayOut]:
        """The gateways of the machines that clients connect to, which hide clients."""
        rules, now = state.settings.rules, datetime.now(UTC)
        return [
            GatewayOut(host=address, failures=failures(host, now), spared=is_spared(host, rules, now))
            for host in state.gateways()
            for address in host.gateways
        ]

    return api
