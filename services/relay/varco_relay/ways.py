"""The lanes of this process: one for each next hop, shared by the accounts whose mail goes there."""

from dataclasses import dataclass

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole as BlackholeRoute
from varco_common.events import Route, Smarthost
from varco_relay.dial import Greeter
from varco_relay.lane import Blackhole, Lane, Limits, Listener
from varco_relay.route import Target
from varco_relay.seal import Seal


@dataclass(frozen=True, slots=True)
class NoWay:
    """The account's mail waits, and why."""

    why: str
    name: str = "-"


Found = Lane | Blackhole | NoWay


class Ways:
    """Finds the way for a route; `default` is the route of accounts without one of their own."""

    def __init__(self, greeter: Greeter, limits: Limits, seal: Seal, default: Route | None) -> None:
        self.default = default
        self._greeter, self._limits, self._seal = greeter, limits, seal
        self._lanes: dict[Target, Lane] = {}
        self._blackhole = Blackhole()

    def find(self, route: Route | None, listener: Listener) -> Found:
        """The way, which `listener` hears of from now on; `leave` ends that."""
        match route or self.default:
            case None:
                return NoWay("no route is set, and there is no default one")
            case BlackholeRoute():
                listener.learned(self._blackhole.name, self._blackhole.able)
                return self._blackhole
            case Smarthost() as smarthost:
                return self._lane(smarthost, listener)

    async def leave(self, way: Found, listener: Listener) -> None:
        """Nobody's lane is closed."""
        if isinstance(way, Lane):
            way.listeners.discard(listener)
            if not way.listeners:
                self._lanes.pop(way.target, None)
                await way.close()

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()
        self._lanes.clear()

    def lanes(self) -> list[Lane]:
        return list(self._lanes.values())

    def _lane(self, smarthost: Smarthost, listener: Listener) -> Lane | NoWay:
        try:
            password = self._seal.open(smarthost.secret) if smarthost.secret else ""
        except TransientError as error:
            return NoWay(str(error))
        target = Target(
            host=smarthost.host, port=smarthost.port, tls=smarthost.tls, login=smarthost.login, password=password
        )
        lane = self._lanes.setdefault(target, Lane(target, self._greeter, self._limits))
        lane.listeners.add(listener)
        if lane.able:
            listener.learned(lane.name, lane.able)
        return lane
