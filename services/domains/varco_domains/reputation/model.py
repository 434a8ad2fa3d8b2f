"""What is known of the reputation of domains and addresses, folded from events. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from varco_common.events import (
    AddressReputationChanged,
    AnyEvent,
    Colour,
    DomainRemoved,
    ReputationChanged,
    ReputationFinding,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_domains.reputation.finding import worst


class KnownFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, and since when its check has this colour."""

    finding: ReputationFinding
    since: datetime


class Reputation(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of the last look that changed anything, in the order of the checks."""

    known: tuple[KnownFinding, ...] = ()

    @property
    def findings(self) -> tuple[ReputationFinding, ...]:
        return tuple(known.finding for known in self.known)

    @property
    def colour(self) -> Colour:
        return worst(self.findings)


def domain_key(account: str, domain: str) -> str:
    """The state of a domain. No account has a blank in its name."""
    return f"{account} {domain}"


def reputation_key(event: AnyEvent) -> str:
    """The key of a state: of a domain as above, of one of our addresses the address."""
    if isinstance(event, AddressReputationChanged):
        return event.address
    return domain_key(str(getattr(event, "account", "")), str(getattr(event, "domain", "")))


def apply(state: Reputation | None, event: AnyEvent) -> Reputation | None:
    """The state after the event; None for a domain that is removed."""
    match event:
        case ReputationChanged() | AddressReputationChanged():
            since = {known.finding.check: known for known in state.known} if state else {}
            return Reputation(known=tuple(_known(finding, since, event.at) for finding in event.findings))
        case DomainRemoved():
            return None
    return state


def news(state: Reputation | None, seen: Iterable[ReputationFinding]) -> Sequence[ReputationFinding]:
    """The findings to record; empty if nothing changed.

    What the DNS did not answer now stays as it was known.
    """
    old = {finding.check: finding for finding in state.findings} if state else {}
    new = [_settled(finding, old) for finding in seen]
    changed = state is None or [_essence(finding) for finding in new] != [_essence(one) for one in state.findings]
    return new if changed else ()


def _settled(finding: ReputationFinding, old: dict[str, ReputationFinding]) -> ReputationFinding:
    return old.get(finding.check, finding) if finding.colour is Colour.UNKNOWN else finding


def _essence(finding: ReputationFinding) -> tuple[str, Colour, str]:
    """Which lists are silent today, or in which order hosts come, is no news."""
    return finding.check, finding.colour, finding.record


def _known(finding: ReputationFinding, since: dict[str, KnownFinding], at: datetime) -> KnownFinding:
    before = since.get(finding.check)
    same = before is not None and before.finding.colour is finding.colour
    return KnownFinding(finding=finding, since=before.since if before and same else at)


EVENTS = (ReputationChanged, AddressReputationChanged, DomainRemoved)
REPUTATIONS = ProjectionSpec(
    "reputations",
    tuple(kind.subject_filter() for kind in EVENTS),
    apply,
    Reputation,
    reputation_key,
    settings=(ReputationChanged, AddressReputationChanged),
)
