"""An account's own token takes no name that belongs to others, or to the world."""

import pytest

from varco_common.mail.mail_providers import is_mail_provider
from varco_policy.public_domains import is_public_suffix


@pytest.mark.parametrize(
    "pattern",
    ["@gmail.com", "bob@gmail.com", "@.gmail.com", "@com", "@co.uk", "@.github.io", "@other.example"],
)
async def test_a_sender_that_is_not_the_account_s_is_an_admin_s_decision(policy, pattern):
    await policy.admin.put("/accounts/other", json={"senders": ["@other.example"]})
    await policy.admin.put("/accounts/acme", json={"senders": ["@acme.example"]})
    async with policy.client("acme") as account:
        answer = await account.put(f"/accounts/acme/senders/{pattern}")
        assert (answer.status_code, "only an admin" in answer.json()["detail"]) == (403, True)
        senders = {"senders": ["@acme.example", pattern]}
        assert (await account.put("/accounts/acme", json=senders)).status_code == 403
        assert (await account.put("/accounts/acme/senders/@sub.acme.example")).status_code == 200
    assert (await policy.admin.put(f"/accounts/acme/senders/{pattern}")).status_code == 200


async def test_a_login_under_another_account_s_domain_is_an_admin_s_decision(policy):
    await policy.admin.put("/accounts/other", json={"senders": ["@other.example", "x@gmail.com"]})
    await policy.admin.put("/accounts/acme", json={})
    form = {"password": "12345678"}
    async with policy.client("acme") as account:
        for login in ("ceo@other.example", "ceo@sub.other.example"):
            assert (await account.put(f"/accounts/acme/users/{login}", json=form)).status_code == 403
        lines = "ceo@other.example:{PLAIN}12345678"
        assert (await account.post("/accounts/acme/users/import", json={"lines": lines})).status_code == 403
        for login in ("ceo@acme.example", "ceo", "ceo@gmail.com"):
            assert (await account.put(f"/accounts/acme/users/{login}", json=form)).status_code == 200
    assert (await policy.admin.put("/accounts/acme/users/ceo@other.example", json=form)).status_code == 200


def test_public_domains_are_told_from_customers_domains():
    assert all(map(is_public_suffix, ("com", "co.uk", "github.io", "invented-tld")))
    assert not any(map(is_public_suffix, ("acme.example", "acme.co.uk", "gmail.com")))
    assert is_mail_provider("gmail.com")
    assert not is_mail_provider("notgmail.com")
