"""Whether an account may decide who sends under a domain, by what domains found out. Pure."""

from collections.abc import Iterable
from enum import Enum

from varco_common.events.domain_table import (
    FILTERS,
    AccountDomains,
    account_of,
    apply,
    domain_of_pattern,
    upwards,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

OWNED_DOMAINS = ProjectionSpec("domains", FILTERS, apply, AccountDomains, account_of)


class Ownership(Enum):
    """What an account has of the domain of a sender pattern."""

    PROVEN = "proven"
    VOUCHED = "an operator vouches for it"
    OTHERS = "proven by another account"
    NONE = "none"


def ownership(state: AccountDomains | None, others: Iterable[AccountDomains], pattern: str) -> Ownership:
    """`state` is that of the account, `others` those of all accounts.

    A domain includes its subdomains, unless another account has proven one of them: the narrowest
    proof counts.
    """
    name = domain_of_pattern(pattern)
    own = state.proving(name) if state else None
    length = len(own.name) if own else 0
    subdomains = pattern.startswith("@.")
    for other in others:
        if (state is None or other.account != state.account) and _narrower(other, name, length, subdomains=subdomains):
            return Ownership.OTHERS
    if own:
        return Ownership.PROVEN
    return Ownership.VOUCHED if state and state.covering(name) else Ownership.NONE


def _narrower(other: AccountDomains, name: str, length: int, *, subdomains: bool) -> bool:
    """Whether the other account has proven a domain above `name` that is longer than `length`.

    With `subdomains`, also one below `name`.
    """
    proof = other.proving(name)
    if proof and len(proof.name) > length:
        return True
    return subdomains and any(domain.proven_at and name in upwards(domain.name) for domain in other.domains.values())
