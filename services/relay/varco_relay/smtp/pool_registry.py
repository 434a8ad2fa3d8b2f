"""The connection pools of this process: one for each next hop, whichever accounts use it."""

import time
from dataclasses import dataclass, replace

from varco_common.base.errors import TransientError
from varco_common.events import Blackhole, DirectDelivery, Route, Smarthost, Smarthosts
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.connection_pool import BlackholeSink, ConnectionPool, PoolLimits, PoolListener
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.domain_rate import DomainRate
from varco_relay.smtp.hop_list import HopList
from varco_relay.smtp.mx_hops import MX, SMTP_PORT, DirectHops, LookedUpHop, MxSurroundings
from varco_relay.smtp.mx_lookup import MxLookup
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.tls_policies import TlsPolicies
from varco_relay.smtp.tls_session import SessionLog
from varco_relay.targets import open_target


@dataclass(frozen=True, slots=True)
class Unroutable:
    """The account's mail waits; `down_reason` says why. `held`: because a person said so."""

    down_reason: str
    name: str = "-"
    held: bool = False


Destination = HopList | DirectHops | Unroutable
_UNUSED_SECONDS = 600.0  # then the pool of a host that MX records named is forgotten


class PoolRegistry:
    """Finds the destination of a route.

    `default` is the route of accounts without one of their own.
    """

    def __init__(
        self,
        dialer: Dialer,
        limits: PoolLimits,
        secret_box: SecretBox,
        default: Route | None,
        *,
        policies: TlsPolicies,
        rate: DomainRate,
        mx_port: int = SMTP_PORT,
        sessions: SessionLog | None = None,
    ) -> None:
        self.default = default
        self.mx = MxSurroundings(
            lookup=MxLookup(dialer.resolver, dialer.name),
            rate=rate,
            policies=policies,
            pool_of=self._mx_pool,
            port=mx_port,
            sessions=sessions,
        )
        self._mx_pools: dict[SmtpTarget, ConnectionPool] = {}
        self._used_at: dict[SmtpTarget, float] = {}
        self._swept_at = time.monotonic()
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
                case DirectDelivery() as direct:
                    return DirectHops(direct, self.mx)
                case Smarthost() as smarthost:
                    return HopList([self._hop(smarthost)], listener)
                case Smarthosts(hops=hops, balance=balance):
                    return HopList([self._hop(hop) for hop in hops], listener, balance=balance)
        except TransientError as error:
            return Unroutable(str(error))

    def leave(self, destination: Destination) -> None:
        """Ends the listening. Retires pools when their last account leaves."""
        if not isinstance(destination, HopList):
            return
        for pool in destination.leave():
            self._pools.pop(pool.target, None)
            pool.retire()
            self._retired = [retired for retired in self._retired if retired.is_open] + [pool]

    async def close(self) -> None:
        for pool in (*self._pools.values(), *self._mx_pools.values(), *self._retired):
            await pool.close()

    def pools(self) -> list[ConnectionPool]:
        """Those of the next hops that routes name."""
        return list(self._pools.values())

    def mx_pools(self) -> list[ConnectionPool]:
        """Those of hosts that MX records name."""
        return list(self._mx_pools.values())

    def _hop(self, smarthost: Smarthost) -> ConnectionPool | LookedUpHop:
        """Raises TransientError where a secret can't be decrypted."""
        target = open_target(smarthost, self._secret_box)
        if smarthost.mx:
            return LookedUpHop(target, self.mx)
        return self._pools.setdefault(target, ConnectionPool(target, self._dialer, self._limits))

    def _mx_pool(self, target: SmtpTarget) -> ConnectionPool:
        """Made when first used; it is down for a while after a failure, by itself."""
        now = time.monotonic()
        if now - self._swept_at > _UNUSED_SECONDS:
            self._swept_at = now
            self._forget_unused(now)
        self._used_at[target] = now
        if not (pool := self._mx_pools.get(target)):
            pool = self._mx_pools[target] = ConnectionPool(target, self._dialer, replace(self._limits, lazy=True))
            pool.sessions = self.mx.sessions
            pool.label = MX  # metrics have no label for every server of the world
        return pool

    def _forget_unused(self, now: float) -> None:
        for target, pool in list(self._mx_pools.items()):
            if pool.is_idle and now - self._used_at[target] > _UNUSED_SECONDS:
                del self._mx_pools[target], self._used_at[target]
