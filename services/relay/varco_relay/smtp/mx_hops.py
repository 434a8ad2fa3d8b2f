"""Next hops that MX records name: those of each recipient's domain, or of one name."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from varco_common.events import DirectDelivery, TlsUse
from varco_relay.smtp.connection_pool import ConnectionPool, UnreachableHop
from varco_relay.smtp.domain_rate import DomainRate
from varco_relay.smtp.mx_lookup import MAX_HOSTS, MxHosts, MxLookup, domain_of
from varco_relay.smtp.pending_transaction import Result
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.tls_policies import TlsPolicies
from varco_relay.smtp.tls_session import AppliedPolicy, SessionLog, TlsFailure, TlsResult
from varco_relay.smtp.transaction import SmtpTransaction

SMTP_PORT = 25  # RFC 5321 4.5.4.2
MX = "mx"
_PATIENCE_SECONDS = 60.0  # then a mail gives its place among those in hand to others, and is deferred

_REFUSED = TlsResult.VALIDATION_FAILURE  # the host is none of those that the policy allows, or not known to be

PoolOf = Callable[[SmtpTarget], ConnectionPool]


@dataclass(frozen=True, kw_only=True)
class MxSurroundings:
    """What looking up and connecting take; `port` is 25 but in tests.

    `sessions` is told how sessions begin, for reports; None: nobody reports.
    """

    lookup: MxLookup
    rate: DomainRate
    pool_of: PoolOf
    policies: TlsPolicies
    port: int = SMTP_PORT
    sessions: SessionLog | None = None


class DirectHops:
    """Direct delivery: the mail servers of each recipient's domain.

    Never down as a whole. A mail whose servers are down is deferred: it must not hold up others.
    """

    name = MX
    down_reason = ""
    patience = _PATIENCE_SECONDS
    defers = True

    def __init__(self, route: DirectDelivery, surroundings: MxSurroundings) -> None:
        self._route, self._surroundings = route, surroundings

    def groups(self, recipients: tuple[str, ...]) -> list[tuple[str, ...]]:
        """By domain."""
        by_domain: dict[str, list[str]] = {}
        for recipient in recipients:
            by_domain.setdefault(domain_of(recipient), []).append(recipient)
        return [tuple(group) for group in by_domain.values()]

    async def choose(self, recipients: tuple[str, ...], *, any_tls: bool = False) -> "Sequence[MxHop] | SmtpReply":
        """The servers of the domain, in order; or why there are none.

        With `any_tls` nothing that the domain asks of TLS counts.
        """
        found = await self._surroundings.lookup.hosts(domain_of(recipients[0]))
        if isinstance(found, SmtpReply):
            return found
        if (wait := self._surroundings.rate.take(found.domain)) is None:
            return SmtpReply(451, f"4.7.0 {found.domain} gets mail at a limited rate", by_gate=True)
        await asyncio.sleep(wait)
        hosts = found.hosts[:MAX_HOSTS]
        if any_tls:
            route = replace(self._route, tls=TlsUse.OPPORTUNISTIC)
            return [self._surroundings.pool_of(direct_target(route, host, self._surroundings.port)) for host in hosts]
        return [await self._hop(host, found) for host in hosts]

    async def _hop(self, host: str, found: MxHosts) -> "MxHop":
        """The host's pool, with the TLS that the domain asks for."""
        policies, sessions = self._surroundings.policies, self._surroundings.sessions
        plain = direct_target(self._route, host, self._surroundings.port)
        target = await policies.applied(plain, found)
        if isinstance(target, str):
            if sessions:
                policy = await policies.described(plain, found)
                sessions.note(policy, TlsFailure(result=_REFUSED, reason=target, host=host))
            return UnreachableHop(plain.name, target)
        pool = self._surroundings.pool_of(target)
        if not sessions or target.tls is TlsUse.NONE:
            return pool
        policy = await policies.described(target, found)
        if objection := await policies.objection(host, found):
            sessions.note(policy, TlsFailure(result=_REFUSED, reason=objection, host=host))
        return ReportedHop(pool, policy)


class ReportedHop:
    """A pool, whose sessions for this domain's mail are reported to the domain."""

    def __init__(self, pool: ConnectionPool, policy: AppliedPolicy) -> None:
        self.name, self.label = pool.name, pool.label
        self._pool, self._policy = pool, policy

    @property
    def down_reason(self) -> str:
        return self._pool.down_reason

    @property
    def is_stalled(self) -> bool:
        return self._pool.is_stalled

    async def send(self, transaction: SmtpTransaction, patience: float = 0.0) -> Result:
        """As a ConnectionPool."""
        return await self._pool.send(dataclasses.replace(transaction, policy=self._policy), patience)


MxHop = ConnectionPool | UnreachableHop | ReportedHop


def direct_target(route: DirectDelivery, host: str, port: int) -> SmtpTarget:
    """Never a private address: whoever owns the domain chose the host."""
    return SmtpTarget(
        host=host,
        port=port,
        tls=route.tls,
        public_only=True,
        by_dns=True,
        families=route.families,
        source=route.source,
        proven=False,
    )


class LookedUpHop:
    """`mx:name`: the hosts that the MX records of one name list, as one next hop of a list."""

    capabilities = None
    is_stalled = False

    def __init__(self, target: SmtpTarget, surroundings: MxSurroundings) -> None:
        """`target` has the name as its host."""
        self.name = self.label = f"mx:{target.host}"
        self._target, self._surroundings = target, surroundings
        self._pools: list[ConnectionPool] = []

    @property
    def down_reason(self) -> str:
        """Why none of the hosts takes mail, as far as that is known."""
        reasons = [pool.down_reason for pool in self._pools]
        return reasons[0] if reasons and all(reasons) else ""

    @property
    def load(self) -> int:
        return sum(pool.load for pool in self._pools)

    async def hops(self) -> Sequence[ConnectionPool | UnreachableHop] | str:
        """The hosts of now, in order; or why there are none."""
        targets = await targets_of(self._target, self._surroundings)
        if isinstance(targets, str):
            return targets
        hops = [self._surroundings.pool_of(each) if isinstance(each, SmtpTarget) else each for each in targets]
        self._pools = [hop for hop in hops if isinstance(hop, ConnectionPool)]
        return hops


async def targets_of(target: SmtpTarget, surroundings: MxSurroundings) -> list[SmtpTarget | UnreachableHop] | str:
    """The hosts of the name that `target` has as its host, in order; or why there are none."""
    found = await surroundings.lookup.hosts(target.host)
    if isinstance(found, SmtpReply):
        return found.line
    targets: list[SmtpTarget | UnreachableHop] = []
    for host in found.hosts[:MAX_HOSTS]:
        at_host = target.at(host)
        applied = await surroundings.policies.applied_to_name(at_host, found)
        targets.append(UnreachableHop(at_host.name, applied) if isinstance(applied, str) else applied)
    return targets
