"""Commands on the domains of an account: from its state and a request to the changes. Pure."""

from collections.abc import Callable, Collection

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import DomainAdded, DomainProven, DomainRemoved, DomainVouched
from varco_common.events.domain_table import AccountDomain, AccountDomains, domain_of_pattern, upwards
from varco_common.eventsourcing.commands import Change, CommandContext

Prover = Callable[[str], str]
"""The account that has proven this very domain; empty if none has."""
MakeProof = Callable[[], str]
"""A new value for a TXT record, which nobody can guess."""


def add_domain(
    state: AccountDomains, context: CommandContext, name: str, prover: Prover, make_proof: MakeProof
) -> list[Change]:
    """No change if it is added. Raises RefusedCommand where another account has proven it."""
    domain = state.domains.get(name)
    if domain and domain.added:
        return []
    _refuse_proven(name, context.account, prover)
    return [Change("add", "domain", name, "", context.event(DomainAdded, domain=name, proof=make_proof()))]


def remove_domain(state: AccountDomains, context: CommandContext, name: str) -> list[Change]:
    """Raises NotFound, and RefusedCommand while senders need it."""
    domain = state.domains.get(name)
    if not domain:
        raise NotFound(f"{name} is not among the domains of {context.account}")
    if needed := sorted(pattern for pattern in state.senders if _needs(state, domain, domain_of_pattern(pattern))):
        raise RefusedCommand(f"the account may still send as {', '.join(needed[:5])}: withdraw these senders first")
    event = context.event(DomainRemoved, domain=name)
    return [Change("remove", "domain", name, "", event, removes=(f"domain {name}",))]


def set_domains(
    state: AccountDomains, context: CommandContext, names: Collection[str], prover: Prover, make_proof: MakeProof
) -> list[Change]:
    """Makes these the domains of the account file. Those that are only in use stay as they are."""
    gone = [name for name, domain in state.domains.items() if domain.added and name not in names]
    return [
        *(change for name in gone for change in remove_domain(state, context, name)),
        *(change for name in names for change in add_domain(state, context, name, prover, make_proof)),
    ]


def vouch(
    state: AccountDomains, context: CommandContext, name: str, prover: Prover, make_proof: MakeProof
) -> list[Change]:
    """An operator's word instead of a proof. Adds the domain if need be."""
    domain = state.domains.get(name)
    if domain and domain.voucher and domain.voucher.reason == context.reason:
        return []
    added = add_domain(state, context, name, prover, make_proof)
    event = context.event(DomainVouched, domain=name)
    also = added[0].event if added else None
    return [Change("change" if domain else "add", "domain", name, f"vouched for: {context.reason}", event, also=also)]


def prove(state: AccountDomains, context: CommandContext, name: str, prover: Prover) -> list[Change]:
    """The record was seen. Raises NotFound if the domain was removed meanwhile."""
    domain = state.domains.get(name)
    if not domain or not domain.added:
        raise NotFound(f"{name} was not added to {context.account}")
    if domain.proven_at:
        return []
    _refuse_proven(name, context.account, prover)
    return [Change("change", "domain", name, "proven", context.event(DomainProven, domain=name))]


def _refuse_proven(name: str, account: str, prover: Prover) -> None:
    if prover(name) not in ("", account):
        raise RefusedCommand(f"another account has proven {name}: an operator can remove it there")


def _needs(state: AccountDomains, domain: AccountDomain, name: str) -> bool:
    """Whether a sender at `name` has no other owned domain above it."""
    above = [*upwards(name)]
    others = (state.domains[parent] for parent in above if parent in state.domains and parent != domain.name)
    return domain.name in above and not any(other.owned for other in others)
