"""What an account's own token may authorise senders under, by what domains found out."""

from datetime import UTC, datetime

import pytest

from varco_common.events import DomainAdded, DomainProven, DomainVouched, SenderAuthorised
from varco_common.events.domain_table import AccountDomains, apply
from varco_policy.domain_ownership import Ownership, ownership

AT = datetime(2026, 11, 29, tzinfo=UTC)


def domains(account: str, **kinds: type) -> AccountDomains:
    state = AccountDomains(account=account)
    for name, kind in kinds.items():
        fields = {"at": AT, "account": account, "domain": name.replace("_", ".")}
        if kind is not DomainVouched:
            state = apply(state, DomainAdded(**fields, proof="p"))
        if kind is not DomainAdded:
            state = apply(state, kind(**fields))
    return state


@pytest.mark.parametrize(
    ("own", "others", "pattern", "expected"),
    [
        ({}, {}, "@acme.example", Ownership.NONE),
        ({"acme_example": DomainAdded}, {}, "@acme.example", Ownership.NONE),
        ({"acme_example": DomainProven}, {}, "@acme.example", Ownership.PROVEN),
        ({"acme_example": DomainProven}, {}, "a@www.acme.example", Ownership.PROVEN),
        ({"acme_example": DomainProven}, {}, "@.acme.example", Ownership.PROVEN),
        ({"www_acme_example": DomainProven}, {}, "@acme.example", Ownership.NONE),
        ({"acme_example": DomainVouched}, {}, "@acme.example", Ownership.VOUCHED),
        ({"acme_example": DomainVouched}, {"acme_example": DomainProven}, "@acme.example", Ownership.OTHERS),
        ({"acme_example": DomainProven}, {"acme_example": DomainVouched}, "@acme.example", Ownership.PROVEN),
        ({"acme_example": DomainProven}, {"sub_acme_example": DomainProven}, "@acme.example", Ownership.PROVEN),
        ({"acme_example": DomainProven}, {"sub_acme_example": DomainProven}, "@sub.acme.example", Ownership.OTHERS),
        ({"acme_example": DomainProven}, {"sub_acme_example": DomainProven}, "@.acme.example", Ownership.OTHERS),
        ({"sub_acme_example": DomainProven}, {"acme_example": DomainProven}, "@sub.acme.example", Ownership.PROVEN),
    ],
)
def test_the_narrowest_proof_counts(own, others, pattern, expected):
    state, other = domains("acme", **own), domains("other", **others)
    assert ownership(state, [state, other], pattern) is expected


async def test_an_account_authorises_senders_under_proven_domains_only(policy):
    await policy.put("/accounts/acme", users=[])
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    async with policy.client(issued["token"]) as partner:
        refused = await partner.put("/accounts/acme/senders/@acme.example")
        assert refused.status_code == 403
        assert "`varco domains add acme acme.example`" in refused.json()["detail"]
        whole = await partner.patch("/accounts/acme", json={"senders": ["@acme.example"]})
        assert whole.status_code == 403
        await policy.bus.events.append(DomainAdded(at=AT, account="acme", domain="acme.example", proof="p"))
        assert (await partner.put("/accounts/acme/senders/@acme.example")).status_code == 403
        await policy.bus.events.append(DomainProven(at=AT, account="acme", domain="acme.example"))
        assert (await partner.put("/accounts/acme/senders/@acme.example")).status_code == 200
        assert (await partner.put("/accounts/acme/senders/a@www.acme.example")).status_code == 200


async def test_a_proof_outranks_a_declaration_of_another_account(policy):
    await policy.put("/accounts/squatter", users=[], senders=["@acme.example"])
    await policy.put("/accounts/acme", users=[])
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    async with policy.client(issued["token"]) as partner:
        await policy.bus.events.append(DomainVouched(at=AT, account="acme", domain="acme.example"))
        assert (await partner.put("/accounts/acme/senders/@acme.example")).status_code == 403
        await policy.bus.events.append(DomainAdded(at=AT, account="acme", domain="acme.example", proof="p"))
        await policy.bus.events.append(DomainProven(at=AT, account="acme", domain="acme.example"))
        assert (await partner.put("/accounts/acme/senders/@acme.example")).status_code == 200


async def test_an_admin_who_authorises_senders_vouches_by_that(policy):
    await policy.put("/accounts/acme", users=[], senders=["@acme.example"])
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    async with policy.client(issued["token"]) as partner:
        assert (await partner.put("/accounts/acme/senders/sales@acme.example")).status_code == 200


def test_a_sender_that_is_in_use_is_vouched_for():
    state = apply(None, SenderAuthorised(at=AT, account="acme", pattern="boss@acme.example"))
    assert ownership(state, [state], "@acme.example") is Ownership.VOUCHED


async def test_a_closed_network_asks_for_no_proof(start):
    async with start(domains_proof="off") as policy:
        await policy.put("/accounts/acme", users=[])
        issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
        async with policy.client(issued["token"]) as partner:
            assert (await partner.put("/accounts/acme/senders/@acme.example")).status_code == 200
