"""Routes that may be written but are not honoured yet: they are refused, never ignored. Pure."""

from varco_common.base.errors import RefusedCommand
from varco_relay.route_requests import HopRequest, RouteRequest


def refuse_unhonoured(request: RouteRequest) -> None:
    """Raises RefusedCommand."""
    if not (request == "blackhole" or (isinstance(request, HopRequest) and not request.smarthost.startswith("mx:"))):
        raise RefusedCommand("this version delivers to one next hop only: give one smarthost")
