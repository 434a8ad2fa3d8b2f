"""Routes that may be written but are not honoured yet: they are refused, never ignored. Pure."""

from varco_common.base.errors import RefusedCommand
from varco_relay.route_requests import DirectRequest, HopListRequest, HopRequest, RouteRequest


def refuse_unhonoured(request: RouteRequest) -> None:
    """Raises RefusedCommand."""
    hops = request.hops if isinstance(request, HopListRequest) else (request,)
    if any(isinstance(hop, DirectRequest) or _looked_up(hop) for hop in hops):
        raise RefusedCommand("this version looks up no MX records: give a smarthost")


def _looked_up(hop: object) -> bool:
    return isinstance(hop, HopRequest) and hop.smarthost.startswith("mx:") and not hop.smarthost[3:].isdecimal()
