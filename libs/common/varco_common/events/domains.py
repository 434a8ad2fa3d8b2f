"""The events of domains: which domains an account has, and whether they are its own."""

from typing import ClassVar

from varco_common.events.base import AccountEvent


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


AnyDomainEvent = DomainAdded | DomainProven | DomainVouched | DomainRemoved
DOMAIN_SETTINGS = (DomainAdded, DomainVouched, DomainRemoved)  # what commands change
