"""Looks at each owned domain and at our own addresses once a day, and records what changed.

A few domains at a time, those first that wait longest: what is found is recorded before the next
ones are looked at.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.tasks import all_results
from varco_common.bus import Bus
from varco_common.dns import Resolver
from varco_common.events import AddressReputationChanged, Colour, ReputationChanged, ReputationFinding
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.projection import Projection
from varco_domains.reputation.finding import worst
from varco_domains.reputation.look import BlockLists, KeyRecords, look_at_address, look_at_domain, read_policies
from varco_domains.reputation.look_times import LookTimes
from varco_domains.reputation.model import Reputation, domain_key, news
from varco_domains.reputation.published_policies import PolicyQuestion

EVERY = timedelta(days=1)
FIRST = timedelta(minutes=5)  # after a start, for what was not looked at yet: nobody waits for it
_BATCH = 8  # domains: some hundred questions at once
_CHECKS = 2  # looks at a time that somebody waits for: each starts a process
_LOOK_SECONDS, _CHECK_SECONDS = 60.0, 12.0  # for a domain's SPF and DMARC records; for one that somebody waits for
_SCAN_SECONDS = 60.0  # between looks into memory for what is due
_NEVER = datetime.min.replace(tzinfo=UTC)
_log = log.get(__name__)

KeysOf = Callable[[str, str], KeyRecords]  # of an account's domain


@dataclass(frozen=True, kw_only=True)
class LookSettings:
    """Who is asked, and for what. `greeting` is the name of EHLO, `servers` are DNS servers."""

    resolver: Resolver
    addresses: Sequence[str]
    greeting: str
    lists: BlockLists
    servers: Sequence[tuple[str, int]]


class DailyLook:
    """After a restart it goes on with what is due."""

    def __init__(
        self,
        bus: Bus,
        domains: Projection[AccountDomains],
        reputations: Projection[Reputation],
        *,
        keys: KeysOf,
        settings: LookSettings,
        times: LookTimes,
        first: timedelta = FIRST,
    ) -> None:
        self._bus, self._domains, self._reputations = bus, domains, reputations
        self._keys, self._settings, self._times = keys, settings, times
        self._begins_at = datetime.now(UTC) + first
        self._checks = asyncio.Semaphore(_CHECKS)

    def looked_at(self, key: str) -> datetime | None:
        """When the world was asked last about the domain (`domain_key`) or the address."""
        return self._times.at(key)

    @property
    def addresses(self) -> Sequence[str]:
        return self._settings.addresses

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                await self._times.load()
                await self._look_at_due_addresses()
                while batch := self._due_domains()[:_BATCH]:
                    await self._look_at_domains(batch, _LOOK_SECONDS)
                    await self._times.load()
            except TransientError as error:
                _log.warning("the daily look could not be finished", error=str(error))
            await asyncio.sleep(_SCAN_SECONDS)

    async def look_at_domain(self, account: str, name: str) -> None:
        """Looks now, if the account owns the domain. Raises TransientError."""
        async with self._checks:
            if (account, name) in self._owned():
                await self._look_at_domains([(account, name)], _CHECK_SECONDS)

    def reputations(self) -> list[Reputation]:
        """Of the domains that are owned now, and of our addresses."""
        keys = [*(domain_key(*domain) for domain in self._owned()), *self._settings.addresses]
        return [state for key in keys if (state := self._reputations.get(key))]

    async def _look_at_domains(self, domains: Sequence[tuple[str, str]], seconds: float) -> None:
        keys = {domain: self._keys(*domain) for domain in domains}
        looks = (
            look_at_domain(self._settings.resolver, domain, records, self._settings.lists)
            for (_, domain), records in keys.items()
        )
        policies, seen = await asyncio.gather(
            read_policies(self._policy_question(keys, seconds)), all_results([*looks])
        )
        owned = self._owned()  # not those that were removed meanwhile
        for (account, domain), more in zip(keys, seen, strict=True):
            if (account, domain) not in owned:
                continue
            await self._record(domain_key(account, domain), [*policies[domain], *more], account, domain)
        await self._times.note(domain_key(*domain) for domain in keys)

    async def _look_at_due_addresses(self) -> None:
        for address in self._settings.addresses:
            if self._is_due(address):
                seen = await look_at_address(
                    self._settings.resolver, address, self._settings.greeting, self._settings.lists
                )
                await self._record(address, seen)
                await self._times.note([address])

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

    def _policy_question(self, keys: Mapping[tuple[str, str], KeyRecords], seconds: float) -> PolicyQuestion:
        return PolicyQuestion(
            domains=sorted({domain for _, domain in keys}),
            signed=sorted({domain for (_, domain), records in keys.items() if records.signing}),
            addresses=[*self._settings.addresses],
            servers=[*self._settings.servers],
            seconds=seconds,
        )

    def _due_domains(self) -> list[tuple[str, str]]:
        """Those that wait longest come first."""
        due = [domain for domain in self._owned() if self._is_due(domain_key(*domain))]
        return sorted(due, key=lambda domain: self._times.at(domain_key(*domain)) or _NEVER)

    def _owned(self) -> list[tuple[str, str]]:
        every = ((account, domain) for account, state in self._domains.items() for domain in state.domains.values())
        return [(account, domain.name) for account, domain in every if domain.owned]

    def _is_due(self, key: str) -> bool:
        """What was removed and is back counts as never looked at."""
        last = self._times.at(key) if self._reputations.get(key) else None
        return datetime.now(UTC) >= (last + EVERY if last else self._begins_at)
