"""Tells banguard of the gateway that this machine or container is behind: it must not be banned."""

from collections.abc import Iterable
from datetime import UTC, datetime

from varco_common.base.subjects import token
from varco_common.bus import Bus
from varco_common.events import GatewayDetected


async def state_gateways(bus: Bus, addresses: Iterable[str]) -> None:
    """Appends GatewayDetected for each address of which that was never said.

    Raises TransientError.
    """
    for address in addresses:
        if not await bus.events.last_sequence(GatewayDetected.subject_filter(token(address))):
            await bus.events.append(GatewayDetected(at=datetime.now(UTC), host=address))
