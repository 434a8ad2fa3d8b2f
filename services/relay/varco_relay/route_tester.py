"""Asks a next hop whether it would take mail: connects, encrypts, logs in, and ends the session."""

from time import monotonic
from typing import Any

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole, DirectDelivery, Route, Smarthost
from varco_relay.route_maker import hops_of
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.connection_pool import UnreachableHop
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.smtp.mx_hops import MxSurroundings, direct_target, targets_of
from varco_relay.smtp.mx_lookup import MAX_HOSTS, domain_of
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import SmtpTarget
from varco_relay.targets import open_target


class RouteTester:
    """Uses connections of its own, so that a test neither waits for mail nor delays any."""

    def __init__(self, dialer: Dialer, secret_box: SecretBox, mx: MxSurroundings) -> None:
        self._dialer, self._secret_box, self._mx = dialer, secret_box, mx

    async def test(self, route: Route | None, recipient: str = "") -> dict[str, Any]:
        """The fields of a RouteTestOut that depend on the next hop.

        With a recipient, direct delivery is tested at the mail servers of its domain.
        """
        if route is None:
            return {"ready": False, "why": "no route is set, and there is no default one"}
        if isinstance(route, Blackhole):
            return {"ready": True}
        if isinstance(route, DirectDelivery):
            return await self._test_direct(route, recipient) if recipient else {"ready": True}
        results = [await self._test_hop(hop) for hop in hops_of(route)]
        return _best(results)

    async def _test_direct(self, route: DirectDelivery, recipient: str) -> dict[str, Any]:
        """The servers in order, up to the first that is ready."""
        found = await self._mx.lookup.hosts(domain_of(recipient))
        if isinstance(found, SmtpReply):
            return _not_ready(found.line)
        results: list[dict[str, Any]] = []
        for host in found.hosts[:MAX_HOSTS]:
            plain = direct_target(route, host, self._mx.port)
            target = await self._mx.policies.applied(plain, found)
            results.append(_not_ready(target) if isinstance(target, str) else await self._test_target(target))
            if results[-1]["ready"]:
                break
        return _best(results)

    async def _test_hop(self, hop: Smarthost) -> dict[str, Any]:
        try:
            target = open_target(hop, self._secret_box)
        except TransientError as error:
            return _not_ready(str(error))
        if not hop.mx:
            return await self._test_target(target)
        targets = await targets_of(target, self._mx)
        if isinstance(targets, str):
            return _not_ready(targets)
        first = targets[0]
        return _not_ready(first.down_reason) if isinstance(first, UnreachableHop) else await self._test_target(first)

    async def _test_target(self, target: SmtpTarget) -> dict[str, Any]:
        begin = monotonic()
        try:
            client = await self._dialer.dial(target)
        except RouteDown as error:
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


def _best(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The first that is ready, or why none is."""
    ready = next((result for result in results if result["ready"]), None)
    return ready or {**results[0], "why": "; ".join(result["why"] for result in results)}


def _not_ready(why: str) -> dict[str, Any]:
    return {"ready": False, "why": why}
