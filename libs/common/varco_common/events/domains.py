"""The events of domains: which domains an account has, and whether they are its own."""

from enum import StrEnum
from typing import ClassVar

import msgspec

from varco_common.events.base import AccountEvent, Event


class DomainEvent(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about a domain of an account. `domain` is in lower case, in ASCII."""

    SERVICE: ClassVar[str] = "domains"
    domain: str


class DomainAdded(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="domain.added.v1"):
    """The account says that the domain is its own.

    It proves that with a TXT record that holds `proof`.
    """

    proof: str


class DomainProven(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="domain.proven.v1"):
    """The record was seen: the domain is the account's."""


class DomainVouched(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="domain.vouched.v1"):
    """An operator vouches that the domain is the account's."""


class DomainRemoved(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="domain.removed.v1"):
    """The domain is the account's no more."""


class Colour(StrEnum):
    """Green: right. Amber: worth a change. Red: mail is refused for it. Unknown: cannot tell."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    UNKNOWN = "unknown"


class ReputationFinding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check and its result, in a sentence.

    `record` is what to publish, word for word: the name, the type and the value.
    """

    check: str
    colour: Colour
    text: str
    record: str = ""


class ReputationChanged(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="reputation.changed.v1"):
    """What the world sees of the domain is another than at the look before.

    `before` and `after` are the colours of the whole; `findings` has every check.
    """

    before: Colour
    after: Colour
    findings: tuple[ReputationFinding, ...]


class AddressReputationChanged(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="address.reputation.changed.v1"
):
    """As ReputationChanged, of an address that our mail leaves from."""

    SERVICE: ClassVar[str] = "domains"
    address: str
    before: Colour
    after: Colour
    findings: tuple[ReputationFinding, ...]

    @property
    def key(self) -> str:
        return self.address


AnyDomainEvent = (
    DomainAdded | DomainProven | DomainVouched | DomainRemoved | ReputationChanged | AddressReputationChanged
)
DOMAIN_SETTINGS = (DomainAdded, DomainVouched, DomainRemoved)  # what commands change
