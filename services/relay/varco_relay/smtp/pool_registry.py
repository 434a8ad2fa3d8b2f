"""The connection pools of this process: one for each next hop, whichever accounts use it."""

from dataclasses import dataclass

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole, Route, Smarthost
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.connection_pool import BlackholeSink, ConnectionPool, PoolLimits, PoolListener
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.target import SmtpTarget
from varco_relay.targets import open_target


@dataclass(frozen=True, slots=True)
class Unroutable:
    """The account's mail waits; `down_reason` says why. `held`: because a person said so."""

    down_reason: str
    name: str = "-"
    held: bool = False


Destination = ConnectionPool | BlackholeSink | Unroutable


class PoolRegistry:
    """Finds the destination of a route.

    `default` is the route of accounts without one of their own.
    """

    def __init__(self, dialer: Dialer, limits: PoolLimits, secret_box: SecretBox, default: Route | None) -> None:
        self.default = default
        self._dialer, self._limits, self._secret_box = dialer, limits, secret_box
        self._pools: dict[SmtpTarget, ConnectionPool] = {}
        self._retired: list[ConnectionPool] = []
        self._blackhole = BlackholeSink()

    def join(self, route: Route | None, listener: PoolListener) -> Destination:
        """The destination of the route. `listener` is told about it until it calls `leave`."""
        match route or self.default:
            case None:
                return Unroutable("no route is set, and there is no default one")
            case Blackhole():
                listener.on_capabilities(self._blackhole.name, self._blackhole.capabilities)
                return self._blackhole
            case Smarthost(mx=False) as smarthost:
                return self._pool(smarthost, listener)
            case _:
                return Unroutable("this version doesn't deliver by such a route")

    def leave(self, destination: Destination, listener: PoolListener) -> None:
        """Ends the listening. Retires the pool when its last account leaves."""
        if isinstance(destination, ConnectionPool):
            destination.listeners.discard(listener)
            if not destination.listeners:
                self._pools.pop(destination.target, None)
                destination.retire()
                self._retired = [pool for pool in self._retired if pool.is_open] + [destination]

    async def close(self) -> None:
        for pool in (*self._pools.values(), *self._retired):
            await pool.close()

    def pools(self) -> list[ConnectionPool]:
        return list(self._pools.values())

    def _pool(self, smarthost: Smarthost, listener: PoolListener) -> ConnectionPool | Unroutable:
        try:
            target = open_target(smarthost, self._secret_box)
        except TransientError as error:
            return Unroutable(str(error))
        pool = self._pools.setdefault(target, ConnectionPool(target, self._dialer, self._limits))
        pool.listeners.add(listener)
        if pool.down_reason:  # another account's mail has shown it
            listener.on_down(pool.name, pool.down_reason)
        elif pool.capabilities:
            listener.on_capabilities(pool.name, pool.capabilities)
        return pool
