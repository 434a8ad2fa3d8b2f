"""Asks a next hop whether it would take mail: connects, encrypts, logs in, and ends the session."""

from time import monotonic
from typing import Any

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole, Route, Smarthost
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.targets import open_target


class RouteTester:
    """Uses connections of its own, so that a test neither waits for mail nor delays any."""

    def __init__(self, dialer: Dialer, secret_box: SecretBox) -> None:
        self._dialer, self._secret_box = dialer, secret_box

    async def test(self, route: Route | None) -> dict[str, Any]:
        """The fields of a RouteTestOut that depend on the next hop."""
        if route is None:
            return {"ready": False, "why": "no route is set, and there is no default one"}
        if isinstance(route, Blackhole):
            return {"ready": True}
        if not isinstance(route, Smarthost):
            return {"ready": False, "why": "such a route can't be tested yet"}
        begin = monotonic()
        try:
            target = open_target(route, self._secret_box)
            client = await self._dialer.dial(target)
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
