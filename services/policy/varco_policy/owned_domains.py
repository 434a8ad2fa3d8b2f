"""The domains of all accounts in memory, for what accounts' own tokens may do."""

from varco_common.base import subjects
from varco_common.events import DOMAIN_SETTINGS, DomainProven
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.projection import Projection
from varco_policy.domain_ownership import Ownership, ownership


class OwnedDomains:
    """Without `proof_required`, as if an operator vouched for every domain."""

    def __init__(self, domains: Projection[AccountDomains], *, proof_required: bool) -> None:
        self._domains, self._proof_required = domains, proof_required

    async def catch_up(self, account: str) -> None:
        """Waits for what was proven just now. Raises TransientError."""
        if self._proof_required:
            key = subjects.token(account)
            await self._domains.reach_last(*(kind.subject_filter(key) for kind in (*DOMAIN_SETTINGS, DomainProven)))

    def ownership(self, account: str, pattern: str) -> Ownership:
        """What the account has of the domain of this sender pattern."""
        if not self._proof_required:
            return Ownership.VOUCHED
        return ownership(self._domains.get(account), (state for _, state in self._domains.items()), pattern)
