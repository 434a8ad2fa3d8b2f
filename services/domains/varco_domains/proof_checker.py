"""Looks for the records that prove domains: when asked, and again with growing delays."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from varco_common.base import log
from varco_common.base.errors import NotFound, RefusedCommand, TransientError
from varco_common.dns import Resolver
from varco_common.events import DomainProven
from varco_common.events.domain_table import AccountDomain, AccountDomains
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest
from varco_common.eventsourcing.projection import Projection
from varco_domains import commands, metrics
from varco_domains.decide import ProofFinding, ProofResult, later, proof_finding, record_name
from varco_domains.turns import take_turns

_SCAN_SECONDS = 5.0  # between looks into memory for domains that are due
_EVERY_PROOF = DomainProven.subject_filter()  # no two processes prove a domain for two accounts (ADR 37)
_log = log.get(__name__)


class Look(NamedTuple):
    """The last look at a record, and when the next one is due."""

    at: datetime
    finding: ProofFinding
    next_at: datetime


class ProofChecker:
    """What it saw last is in memory only: after a restart it looks at every pending domain."""

    def __init__(
        self,
        domains: Projection[AccountDomains],
        resolver: Resolver,
        prover: commands.Prover,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._domains, self._resolver, self._prover, self._now = domains, resolver, prover, now
        self._executor = CommandExecutor(domains, now)
        self._looks: dict[tuple[str, str], Look] = {}

    def last_look(self, account: str, name: str) -> Look | None:
        return self._looks.get((account, name))

    async def check(self, account: str, name: str, by: str) -> Look:
        """Looks now; a record that is there proves the domain.

        Raises NotFound, RefusedCommand where another account has proven it, and TransientError.
        """
        domain = self._added(account, name)
        finding = proof_finding(domain, await self._resolver.txt(record_name(name)))
        metrics.LOOKS[finding.result].inc()
        now = self._now()
        self._looks[account, name] = look = Look(now, finding, later(domain.since, now))
        if finding.result is ProofResult.FOUND:
            await self._prove(account, name, by)
        return look

    async def run(self) -> None:
        """Looks at each domain that is not proven whenever it is due, until it is cancelled."""
        while True:
            await take_turns(self._due(), self._check_due)
            await asyncio.sleep(_SCAN_SECONDS)

    async def _check_due(self, account: str, name: str) -> None:
        try:
            await self.check(account, name, "domains")
        except (NotFound, RefusedCommand, TransientError) as error:
            _log.warning("a domain could not be checked", account=account, domain=name, error=str(error))

    async def _prove(self, account: str, name: str, by: str) -> None:
        def decide(state: AccountDomains | None, context: CommandContext) -> list[Change]:
            return commands.prove(state or AccountDomains(account=account), context, name, self._prover)

        await self._executor.execute(account, CommandRequest(by), decide, guard=_EVERY_PROOF)

    def _added(self, account: str, name: str) -> AccountDomain:
        state = self._domains.get(account)
        domain = state.domains.get(name) if state else None
        if not domain or not domain.added:
            raise NotFound(f"{name} was not added to {account}")
        return domain

    def _due(self) -> Iterator[tuple[str, str]]:
        now = self._now()
        for account, state in self._domains.items():
            for name, domain in state.domains.items():
                look = self._looks.get((account, name))
                if domain.added and not domain.proven_at and (look is None or look.next_at <= now):
                    yield account, name
