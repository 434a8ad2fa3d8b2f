"""Asks a next hop whether it would take mail: connects, encrypts, logs in, and ends the session."""

from time import monotonic
from typing import Any

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole, DirectDelivery, Route, Smarthost
from varco_relay.route_maker import hops_of
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.smtp.mx_lookup import MxLookup
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.targets import open_target


class RouteTester:
    """Uses connections of its own, so that a test neither waits for mail nor delays any."""

    def __init__(self, dialer: Dialer, secret_box: SecretBox, lookup: MxLookup) -> None:
        self._dialer, self._secret_box, self._lookup = dialer, secret_box, lookup

    async def test(self, route: Route | None) -> dict[str, Any]:
        """The fields of a RouteTestOut that depend on the next hop."""
        if route is None:
            return {"ready": False, "why": "no route is set, and there is no default one"}
        if isinstance(route, Blackhole):
            return {"ready": True}
        if isinstance(route, DirectDelivery):
            return {"ready": True}  # the servers are those of each recipient
        results = [await self._test_hop(hop) for hop in hops_of(route)]
        ready = next((result for result in results if result["ready"]), None)
        return ready or {**results[0], "why": "; ".join(result["why"] for result in results)}

    async def _test_hop(self, hop: Smarthost) -> dict[str, Any]:
        if not hop.mx:
            return await self._test(hop)
        found = await self._lookup.hosts(hop.host)
        if isinstance(found, SmtpReply):
            return {"ready": False, "why": found.line}
        return await self._test(hop, at=found.hosts[0])

    async def _test(self, route: Smarthost, at: str = "") -> dict[str, Any]:
        begin = monotonic()
        try:
            target = open_target(route, self._secret_box)
            client = await self._dialer.dial(target.at(at) if at else target)
        except (RouteDown, TransientError) as error:
            return {"ready": False, "why": str(error), "seconds": round(monotonic() - begin, 3)}
        await client.quit()
        offers = client.capabilities
        return {
            "ready": True,
            "tls": client.tls,
            "login": target.login,
            "smtputf8": offers.smtputf8,
            "eight_bit": offers.eight_bit,
            "max_size": offers.max_size,
            "seconds": round(monotonic() - begin, 3),
        }
