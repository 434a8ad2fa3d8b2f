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


class DkimAlgorithm(StrEnum):
    """As `k=` of a key record names it (RFC 6376 3.6.1, RFC 8463 4)."""

    RSA = "rsa"
    ED25519 = "ed25519"


class DkimKeyMade(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="dkim.key.made.v1"):
    """A key that will sign the domain's mail once its record was seen.

    `public` is `p=` of the record. `secret` is the private key, sealed with relay's own key: it is
    of use to relay alone. Keys of one `generation` sign together; the next one replaces them.
    """

    selector: str
    algorithm: DkimAlgorithm
    generation: int
    public: str
    secret: str


class DkimKeyActivated(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="dkim.key.activated.v1"):
    """The key's record was seen: it signs, and keys of earlier generations no longer do."""

    selector: str


class DkimKeyRetired(DomainEvent, frozen=True, kw_only=True, omit_defaults=True, tag="dkim.key.retired.v1"):
    """Mail that the key has signed has arrived by now: its record may be removed."""

    selector: str


AnyDomainEvent = (
    DomainAdded
    | DomainProven
    | DomainVouched
    | DomainRemoved
    | ReputationChanged
    | AddressReputationChanged
    | DkimKeyMade
    | DkimKeyActivated
    | DkimKeyRetired
)
DOMAIN_SETTINGS = (DomainAdded, DomainVouched, DomainRemoved)  # what commands change
