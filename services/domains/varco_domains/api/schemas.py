"""How domains are written in account files and over HTTP."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field

from varco_common.base.errors import RefusedCommand
from varco_common.events.domain_table import AccountDomain, DkimKey
from varco_domains import metrics
from varco_domains.api.reputation import ReputationOut
from varco_domains.decide import record_name
from varco_domains.dkim import RETIRES_AFTER, key_record, key_record_name
from varco_domains.normalization import normal_domain
from varco_domains.proof_checker import Look

MAX_DOMAINS = 1_000  # of one account


def _normal(text: str) -> str:
    try:
        return normal_domain(text)
    except RefusedCommand as refusal:
        raise ValueError(str(refusal)) from None


DomainsSection = Annotated[
    list[Annotated[str, Field(max_length=300), AfterValidator(_normal)]],
    Field(max_length=MAX_DOMAINS, examples=[["acme.example"]]),
]


class RecordOut(BaseModel):
    """A record to publish in the DNS."""

    name: str
    type: Literal["TXT"] = "TXT"
    value: str


class KeyOut(BaseModel):
    """A DKIM key and the record that verifiers need. `finding` is what the last look saw."""

    selector: str
    algorithm: Literal["rsa", "ed25519"]
    status: Literal["waits for its record", "signs", "replaced"]
    since: datetime
    record: RecordOut
    finding: str = ""
    retires_at: datetime | None = None

    @classmethod
    def of(cls, domain: str, key: DkimKey, finding: str) -> Self:
        record = RecordOut(name=key_record_name(domain, key), value=key_record(key))
        fields: dict[str, Any] = {"selector": key.selector, "algorithm": key.algorithm, "record": record}
        if key.replaced_at:
            retires_at = key.replaced_at + RETIRES_AFTER
            return cls(status="replaced", since=key.replaced_at, retires_at=retires_at, **fields)
        if key.active_since:
            return cls(status="signs", since=key.active_since, **fields)
        return cls(status="waits for its record", since=key.made_at, finding=finding, **fields)


class DomainOut(BaseModel):
    """A domain of an account.

    `vouched`: an operator vouches for it, or authorised senders under it. `record` proves it; None
    where nobody added it. `finding` is what the last look for it saw, at `checked_at`.
    `reputation` is what the world sees of the domain.
    """

    account: str
    domain: str
    status: Literal["proven", "vouched", "pending"]
    why: str
    since: datetime
    added: bool
    record: RecordOut | None = None
    checked_at: datetime | None = None
    finding: str = ""
    next_check_at: datetime | None = None
    reputation: ReputationOut | None = None
    keys: list[KeyOut] = []

    @classmethod
    def of(
        cls,
        account: str,
        domain: AccountDomain,
        look: Look | None,
        reputation: ReputationOut | None,
        finding: Callable[[str], str],
    ) -> Self:
        """`finding` tells by selector what the last look at a key's record saw."""
        fields: dict[str, Any] = {"account": account, "domain": domain.name, "added": domain.added}
        fields |= {"status": metrics.status(domain), "why": _why(domain), "since": _since(domain)}
        fields["reputation"] = reputation
        if domain.added:
            fields["record"] = RecordOut(name=record_name(domain.name), value=domain.proof)
        fields["keys"] = [KeyOut.of(domain.name, key, finding(key.selector)) for key in domain.keys.values()]
        if look:
            next_at = None if domain.proven_at else look.next_at
            fields |= {"checked_at": look.at, "finding": look.finding.text, "next_check_at": next_at}
        return cls(**fields)


class AccountDomainsOut(BaseModel):
    """`domains` as an account file has it; `all` has also those that are only in use."""

    account: str
    version: int
    domains: list[str]
    all: list[DomainOut]


def _why(domain: AccountDomain) -> str:
    if domain.proven_at:
        return "its record was seen"
    if domain.voucher:
        return f"{domain.voucher.by or 'an operator'} vouches for it: {domain.voucher.reason}"
    return "in use: senders are authorised under it" if domain.used_since else "its record was not seen yet"


def _since(domain: AccountDomain) -> datetime:
    vouched = domain.voucher.at if domain.voucher else domain.used_since
    return domain.proven_at or vouched or domain.since
