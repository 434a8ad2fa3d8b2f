"""Looks at each owned domain and at our own addresses once a day, and records what changed."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.dns import Resolver
from varco_common.events import AddressReputationChanged, Colour, ReputationChanged, ReputationFinding
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.projection import Projection
from varco_domains.reputation.finding import worst
from varco_domains.reputation.look import BlockLists, look_at_address, look_at_domain, read_policies
from varco_domains.reputation.model import Reputation, domain_key, news
from varco_domains.reputation.published_policies import PolicyQuestion

EVERY = timedelta(days=1)
_FIRST = timedelta(minutes=5)  # after a start: whoever restarts often asks seldom, and nobody waits for it
_SCAN_SECONDS = 60.0  # between looks into memory for what is due
_log = log.get(__name__)

SigningKeys = Callable[[str, str], Mapping[str, str]]  # of an account's domain: records by their names


@dataclass(frozen=True, kw_only=True)
class LookSettings:
    """Who is asked, and for what. `greeting` is the name of EHLO, `servers` are DNS servers."""

    resolver: Resolver
    addresses: Sequence[str]
    greeting: str
    lists: BlockLists
    servers: Sequence[tuple[str, int]]


class DailyLook:
    """When it looked last is in memory only: some minutes after a start it looks at everything."""

    def __init__(
        self,
        bus: Bus,
        domains: Projection[AccountDomains],
        reputations: Projection[Reputation],
        keys: SigningKeys,
        settings: LookSettings,
    ) -> None:
        self._bus, self._domains, self._reputations = bus, domains, reputations
        self._keys, self._settings = keys, settings
        self._looked_at: dict[str, datetime] = {}
        self._begins_at = datetime.now(UTC) + _FIRST

    def looked_at(self, key: str) -> datetime | None:
        """When the world was asked last about the domain (`domain_key`) or the address."""
        return self._looked_at.get(key)

    @property
    def addresses(self) -> Sequence[str]:
        return self._settings.addresses

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                await self._look_at_domains([*self._due_domains()])
                await self._look_at_due_addresses()
            except TransientError as error:
                _log.warning("the daily look could not be finished", error=str(error))
            await asyncio.sleep(_SCAN_SECONDS)

    async def look_at_domain(self, account: str, name: str) -> None:
        """Looks now, if the account owns the domain. Raises TransientError."""
        state = self._domains.get(account)
        if state and (domain := state.domains.get(name)) and domain.owned:
            await self._look_at_domains([(account, name)])

    async def _look_at_domains(self, domains: Sequence[tuple[str, str]]) -> None:
        if not domains:
            return
        keys = {domain: self._keys(*domain) for domain in domains}
        policies = await read_policies(self._policy_question(keys))
        for (account, domain), signing in keys.items():
            more = await look_at_domain(self._settings.resolver, domain, signing, self._settings.lists)
            await self._record(domain_key(account, domain), [*policies[domain], *more], account, domain)

    async def _look_at_due_addresses(self) -> None:
        for address in self._settings.addresses:
            if self._is_due(address):
                seen = await look_at_address(
                    self._settings.resolver, address, self._settings.greeting, self._settings.lists
                )
                await self._record(address, seen)

    async def _record(self, key: str, seen: Sequence[ReputationFinding], account: str = "", domain: str = "") -> None:
        state = self._reputations.get(key)
        if found := news(state, seen):
            after, before = worst(found), state.colour if state else Colour.UNKNOWN
            now, findings = datetime.now(UTC), tuple(found)
            event = (
                ReputationChanged(
                    at=now, by="domains", account=account, domain=domain, before=before, after=after, findings=findings
                )
                if domain
                else AddressReputationChanged(at=now, address=key, before=before, after=after, findings=findings)
            )
            await self._reputations.reached(await self._bus.events.append(event))
        self._looked_at[key] = datetime.now(UTC)

    def _policy_question(self, keys: Mapping[tuple[str, str], Mapping[str, str]]) -> PolicyQuestion:
        return PolicyQuestion(
            domains=sorted({domain for _, domain in keys}),
            signed=sorted({domain for (_, domain), signing in keys.items() if signing}),
            addresses=[*self._settings.addresses],
            servers=[*self._settings.servers],
        )

    def _due_domains(self) -> Iterator[tuple[str, str]]:
        for account, state in self._domains.items():
            for name, domain in state.domains.items():
                if domain.owned and self._is_due(domain_key(account, name)):
                    yield account, name

    def _is_due(self, key: str) -> bool:
        last = self._looked_at.get(key)
        return datetime.now(UTC) >= (last + EVERY if last else self._begins_at)
