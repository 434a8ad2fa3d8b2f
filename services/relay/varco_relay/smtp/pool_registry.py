"""The lanes of this process: one for each next hop, shared by the accounts whose mail goes there."""

from dataclasses import dataclass

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole as BlackholeRoute
from varco_common.events import Route, Smarthost
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.connection_pool import BlackholeSink, ConnectionPool, PoolLimits, PoolListener
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.target import SmtpTarget


@dataclass(frozen=True, slots=True)
class Unroutable:
    """The account's mail waits, and why."""

    why: str
    name: str = "-"


Destination = ConnectionPool | BlackholeSink | Unroutable


class PoolRegistry:
    """Finds the way for a route; `default` is the route of accounts without one of their own."""

    def __init__(self, greeter: Dialer, limits: PoolLimits, seal: SecretBox, default: Route | None) -> None:
        self.default = default
        self._greeter, self._limits, self._seal = greeter, limits, seal
        self._lanes: dict[SmtpTarget, ConnectionPool] = {}
        self._blackhole = BlackholeSink()

    def find(self, route: Route | None, listener: PoolListener) -> Destination:
        """The way, which `listener` hears of from now on; `leave` ends that."""
        match route or self.default:
            case None:
                return Unroutable("no route is set, and there is no default one")
            case BlackholeRoute():
                listener.learned(self._blackhole.name, self._blackhole.able)
                return self._blackhole
            case Smarthost() as smarthost:
                return self._lane(smarthost, listener)

    async def leave(self, way: Destination, listener: PoolListener) -> None:
        """Nobody's lane is closed."""
        if isinstance(way, ConnectionPool):
            way.listeners.discard(listener)
            if not way.listeners:
                self._lanes.pop(way.target, None)
                await way.close()

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()
        self._lanes.clear()

    def lanes(self) -> list[ConnectionPool]:
        return list(self._lanes.values())

    def _lane(self, smarthost: Smarthost, listener: PoolListener) -> ConnectionPool | Unroutable:
        try:
            password = self._seal.open(smarthost.secret) if smarthost.secret else ""
        except TransientError as error:
            return Unroutable(str(error))
        target = SmtpTarget(
            host=smarthost.host, port=smarthost.port, tls=smarthost.tls, login=smarthost.login, password=password
        )
        lane = self._lanes.setdefault(target, ConnectionPool(target, self._greeter, self._limits))
        lane.listeners.add(listener)
        if lane.able:
            listener.learned(lane.name, lane.able)
        return lane
