"""The connection pools of this process: one for each next hop, whichever accounts use it."""

from dataclasses import dataclass

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole, Route, Smarthost, Smarthosts
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.connection_pool import BlackholeSink, ConnectionPool, PoolLimits, PoolListener
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.hop_list import HopList
from varco_relay.smtp.target import SmtpTarget
from varco_relay.targets import open_target


@dataclass(frozen=True, slots=True)
class Unroutable:
    """The account's mail waits; `down_reason` says why. `held`: because a person said so."""

    down_reason: str
    name: str = "-"
    held: bool = False


Destination = HopList | Unroutable


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
        """The destination of the route. `listener` is told about it until `leave` is called."""
        try:
            match route or self.default:
                case None:
                    return Unroutable("no route is set, and there is no default one")
                case Blackhole():
                    return HopList([self._blackhole], listener)
                case Smarthost(mx=False) as smarthost:
                    return HopList([self._pool(smarthost)], listener)
                case Smarthosts(hops=hops, balance=balance):
                    return HopList([self._pool(hop) for hop in hops], listener, balance=balance)
                case _:
                    return Unroutable("this version doesn't deliver by such a route")
        except TransientError as error:
            return Unroutable(str(error))

    def leave(self, destination: Destination) -> None:
        """Ends the listening. Retires pools when their last account leaves."""
        if isinstance(destination, Unroutable):
            return
        for pool in destination.leave():
            self._pools.pop(pool.target, None)
            pool.retire()
            self._retired = [retired for retired in self._retired if retired.is_open] + [pool]

    async def close(self) -> None:
        for pool in (*self._pools.values(), *self._retired):
            await pool.close()

    def pools(self) -> list[ConnectionPool]:
        return list(self._pools.values())

    def _pool(self, smarthost: Smarthost) -> ConnectionPool:
        """Raises TransientError where a secret can't be decrypted."""
        target = open_target(smarthost, self._secret_box)
        return self._pools.setdefault(target, ConnectionPool(target, self._dialer, self._limits))
