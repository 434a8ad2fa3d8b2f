"""The domains of each account, folded from events: for domains, policy and relay. Pure.

A domain that an account sends under without having proven it is one that an operator vouches for:
only an operator can authorise senders there, and whoever authorised them before domains were proven
counts as one.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AccountClosed,
    AnyEvent,
    DkimAlgorithm,
    DkimKeyActivated,
    DkimKeyMade,
    DkimKeyRetired,
    DomainAdded,
    DomainProven,
    DomainRemoved,
    DomainVouched,
    SenderAuthorised,
    SenderWithdrawn,
)

_OWNERSHIP = (DomainAdded, DomainProven, DomainVouched, DomainRemoved, SenderAuthorised, SenderWithdrawn, AccountClosed)
_KEYS = (DkimKeyMade, DkimKeyActivated, DkimKeyRetired)
FILTERS = tuple(kind.subject_filter() for kind in _OWNERSHIP)
KEY_FILTERS = tuple(kind.subject_filter() for kind in _KEYS)  # for those that need the keys, too


class Voucher(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who vouches for a domain, since when and why."""

    at: datetime
    by: str = ""
    reason: str = ""


class DkimKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key of a domain, with the meaning of DkimKeyMade."""

    selector: str
    algorithm: DkimAlgorithm
    generation: int
    public: str
    secret: str
    made_at: datetime
    active_since: datetime | None = None
    replaced_at: datetime | None = None

    @property
    def signs(self) -> bool:
        return self.active_since is not None and self.replaced_at is None


class AccountDomain(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A domain of an account.

    `proof` is what its TXT record must hold; empty if nobody added it. `used_since`: senders are
    authorised under it, and no other domain of the account covers them. `keys` are by selector.
    """

    name: str
    since: datetime
    proof: str = ""
    proven_at: datetime | None = None
    voucher: Voucher | None = None
    used_since: datetime | None = None
    keys: dict[str, DkimKey] = {}

    @property
    def signing_keys(self) -> list[DkimKey]:
        """The keys that sign mail now."""
        return [key for key in self.keys.values() if key.signs]

    @property
    def added(self) -> bool:
        """Whether it is among the domains of the account file."""
        return bool(self.proof)

    @property
    def owned(self) -> bool:
        """Whether the account may send under it by its own decision."""
        return bool(self.proven_at or self.voucher or self.used_since)


class AccountDomains(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All domains of an account by name, and the patterns of its senders."""

    account: str
    domains: dict[str, AccountDomain] = {}
    senders: frozenset[str] = frozenset()

    def covering(self, name: str) -> AccountDomain | None:
        """The narrowest owned domain at or above `name`."""
        return next((domain for domain in self.at_or_above(name) if domain.owned), None)

    def proving(self, name: str) -> AccountDomain | None:
        """The narrowest proven domain at or above `name`."""
        return next((domain for domain in self.at_or_above(name) if domain.proven_at), None)

    def signing(self, name: str) -> AccountDomain | None:
        """The narrowest owned domain at or above `name` with keys that sign."""
        return next((domain for domain in self.at_or_above(name) if domain.owned and domain.signing_keys), None)

    def at_or_above(self, name: str) -> Iterator[AccountDomain]:
        """Narrowest first."""
        return (self.domains[parent] for parent in upwards(name) if parent in self.domains)


def upwards(name: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while name:
        yield name
        name = name.partition(".")[2]


def domain_of_pattern(pattern: str) -> str:
    """The domain of a sender pattern: `a@b.c`, `@b.c`, `@.b.c`."""
    return pattern.rpartition("@")[2].removeprefix(".")


def account_of(event: AnyEvent) -> str:
    """The key of the projection: all its events are about an account."""
    return str(getattr(event, "account", ""))


def apply(state: AccountDomains | None, event: AnyEvent) -> AccountDomains | None:
    """The state after the event; None for a closed account."""
    if isinstance(event, AccountClosed):
        return None
    if isinstance(event, _KEYS):
        return _with_key(state, event) if state else state
    if not isinstance(event, _OWNERSHIP):
        return state
    return _changed(state or AccountDomains(account=event.account), event)


def _with_key(state: AccountDomains, event: DkimKeyMade | DkimKeyActivated | DkimKeyRetired) -> AccountDomains:
    """A key of a domain that was removed meanwhile changes nothing."""
    if not (domain := state.domains.get(event.domain)):
        return state
    keys = domain.keys
    match event:
        case DkimKeyMade():
            fields = {
                name: getattr(event, name) for name in ("selector", "algorithm", "generation", "public", "secret")
            }
            keys = {**keys, event.selector: DkimKey(**fields, made_at=event.at)}
        case DkimKeyActivated(selector=selector) if key := keys.get(selector):
            older = {name: replace(k, replaced_at=event.at) for name, k in keys.items() if _is_replaced(k, key)}
            keys = {**keys, **older, selector: replace(key, active_since=event.at)}
        case DkimKeyRetired(selector=selector):
            keys = {name: key for name, key in keys.items() if name != selector}
    return _put(state, replace(domain, keys=keys))


def _is_replaced(key: DkimKey, by: DkimKey) -> bool:
    return key.generation < by.generation and key.replaced_at is None


def _changed(state: AccountDomains, event: AnyEvent) -> AccountDomains:  # noqa: PLR0911 - one case an event
    match event:
        case SenderAuthorised(pattern=pattern):
            return _covered(replace(state, senders=state.senders | {pattern}), [pattern], event.at)
        case SenderWithdrawn(pattern=pattern):
            return _without_unused(replace(state, senders=state.senders - {pattern}), domain_of_pattern(pattern))
        case DomainRemoved(domain=name):
            return _covered(_without(state, name), state.senders, event.at)
        case DomainAdded(domain=name):
            return _put(state, replace(_domain(state, name, event.at), proof=event.proof, since=event.at))
        case DomainProven(domain=name):  # of one that was removed in the same moment, nothing is proven
            domain = state.domains.get(name)
            return _put(state, replace(domain, proven_at=event.at)) if domain and domain.added else state
        case DomainVouched(domain=name):
            voucher = Voucher(at=event.at, by=event.by, reason=event.reason)
            return _put(state, replace(_domain(state, name, event.at), voucher=voucher))
        case _:
            return state


def _domain(state: AccountDomains, name: str, at: datetime) -> AccountDomain:
    return state.domains.get(name) or AccountDomain(name=name, since=at)


def _put(state: AccountDomains, domain: AccountDomain) -> AccountDomains:
    return replace(state, domains={**state.domains, domain.name: domain})


def _without(state: AccountDomains, name: str) -> AccountDomains:
    return replace(state, domains={key: domain for key, domain in state.domains.items() if key != name})


def _covered(state: AccountDomains, patterns: Iterable[str], at: datetime) -> AccountDomains:
    """Each of these senders has an owned domain above it: its own one is used where no other is."""
    for name in sorted(set(map(domain_of_pattern, patterns)), key=len):
        if not state.covering(name):
            state = _put(state, replace(_domain(state, name, at), used_since=at))
    return state


def _without_unused(state: AccountDomains, name: str) -> AccountDomains:
    """No domain at or above `name` is called used that no sender uses any more."""
    for domain in [*state.at_or_above(name)]:
        in_use = (domain.name in upwards(domain_of_pattern(pattern)) for pattern in state.senders)
        if domain.used_since and not any(in_use):
            unused = replace(domain, used_since=None)
            state = _put(state, unused) if unused.added else _without(state, domain.name)
    return state
