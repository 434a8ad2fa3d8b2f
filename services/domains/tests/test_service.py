import asyncio
from functools import partial

import pytest

from varco_common.events import AccountClosed, SenderAuthorised, SenderWithdrawn
from varco_common.testing.schema import call_everything, of_account
from varco_common.testing.waiting import eventually

from .conftest import fake_relay

ACME = "/accounts/acme/domains/acme.example"


async def test_a_domain_is_proven_once_its_record_is_there(domains):
    record = (await domains.add("acme", "acme.example"))["record"]
    assert record["name"] == "_varco.acme.example"
    first = (await domains.admin.post(f"{ACME}/check")).json()
    assert (first["status"], first["finding"]) == ("pending", "there is no TXT record at _varco.acme.example")
    domains.dns.add_txt(record["name"], "something else", record["value"])
    second = (await domains.admin.post(f"{ACME}/check")).json()
    assert second["status"] == "proven"


async def test_the_service_looks_by_itself(domains):
    record = (await domains.add("acme", "acme.example"))["record"]
    domains.dns.add_txt(record["name"], record["value"])

    async def proven():
        return (await domains.admin.get(ACME)).json()["status"] == "proven"

    await eventually(proven)


async def test_each_account_and_domain_has_a_value_of_its_own(domains):
    values = [
        (await domains.add(account, domain))["record"]["value"]
        for account in ("acme", "other")
        for domain in ("acme.example", "acme.test")
    ]
    assert len({*values}) == 4


async def test_the_value_of_another_account_proves_nothing(domains):
    record = (await domains.add("acme", "acme.example"))["record"]
    await domains.add("other", "acme.example")
    domains.dns.add_txt(record["name"], record["value"])
    answer = (await domains.admin.post("/accounts/other/domains/acme.example/check")).json()
    assert answer["status"] == "pending"
    assert answer["finding"].startswith("_varco.acme.example has other values: 'varco-domain=")


async def test_an_internationalised_domain_is_proven_and_signs_under_its_ascii_name(domains, relay):
    shown = await domains.add("acme", "straße.example")
    names = [shown["record"]["name"], shown["keys"][0]["record"]["name"]]
    assert names == ["_varco.xn--strae-oqa.example", "varco1._domainkey.xn--strae-oqa.example"]
    for record in (shown["record"], shown["keys"][0]["record"]):
        domains.dns.add_txt(record["name"], record["value"])
        domains.dns.truncate(record["name"])  # the whole answer comes over TCP
    checked = (await domains.admin.post("/accounts/acme/domains/STRASSE.example/check")).status_code
    assert checked == 404  # another domain since IDNA2008
    answer = (await domains.admin.post("/accounts/acme/domains/Straße.example/check")).json()
    assert (answer["status"], answer["keys"][0]["status"]) == ("proven", "signs")


@pytest.mark.parametrize("how", ["SERVFAIL", "REFUSED"])
async def test_a_dns_server_that_fails_says_nothing_about_a_domain(domains, how):
    domains.dns.fail("_varco.acme.example", how)
    await domains.add("acme", "acme.example")
    answer = (await domains.admin.post(f"{ACME}/check")).json()
    assert answer["status"] == "pending"
    assert answer["finding"].startswith("cannot tell now: TXT of _varco.acme.example")


async def test_a_record_that_goes_or_a_server_that_fails_unproves_nothing(domains):
    await domains.prove("acme", "acme.example")
    domains.dns.remove("_varco.acme.example", "TXT")
    assert (await domains.admin.post(f"{ACME}/check")).json()["status"] == "proven"
    domains.dns.fail("_varco.acme.example", "SERVFAIL")
    assert (await domains.admin.post(f"{ACME}/check")).json()["status"] == "proven"


async def test_a_domain_that_another_account_has_proven_is_refused(domains):
    await domains.add("other", "acme.example")
    await domains.prove("acme", "acme.example")
    for answer in (
        await domains.admin.put("/accounts/third/domains/acme.example"),
        await domains.admin.post("/accounts/third/domains/acme.example/vouch?reason=contract"),
        await domains.admin.patch("/accounts/third/domains", json=["acme.example"]),
    ):
        assert answer.status_code == 422
        assert "another account has proven acme.example" in answer.json()["detail"]
    record = (await domains.admin.get("/accounts/other/domains/acme.example")).json()["record"]
    domains.dns.add_txt(record["name"], record["value"])
    late = await domains.admin.post("/accounts/other/domains/acme.example/check")
    assert late.status_code == 422


async def test_an_operator_vouches_with_a_reason_and_an_account_never(domains):
    assert (await domains.admin.post(f"{ACME}/vouch")).status_code == 422
    async with domains.account("acme") as account:
        assert (await account.post(f"{ACME}/vouch?reason=mine")).status_code == 403
    await domains.admin.post(f"{ACME}/vouch?reason=contract of 3 March")
    shown = (await domains.admin.get(ACME)).json()
    assert shown["status"] == "vouched"
    assert shown["why"].endswith("vouches for it: contract of 3 March")


async def test_an_account_sees_and_changes_its_own_domains_only(domains):
    await domains.prove("other", "other.example")
    async with domains.account("acme") as account:
        assert (await account.put(ACME)).status_code == 200
        assert [entry["domain"] for entry in (await account.get("/domains")).json()] == ["acme.example"]
        assert (await account.put("/accounts/other/domains/acme.test")).status_code == 403
        assert (await account.get("/domains?account=other")).status_code == 403
        assert (await account.delete(ACME)).status_code == 200


async def test_domains_in_use_count_as_vouched_for(domains):
    await domains.append(SenderAuthorised, "acme", pattern="@acme.example")
    await domains.append(SenderAuthorised, "acme", pattern="@.acme.example")
    await domains.append(SenderAuthorised, "acme", pattern="boss@sub.acme.example")

    async def listed():
        return [(entry["domain"], entry["status"]) for entry in (await domains.admin.get("/domains")).json()]

    assert await eventually(listed) == [("acme.example", "vouched")]
    section = (await domains.admin.get("/accounts/acme/domains")).json()
    assert section["domains"] == []
    assert section["all"][0]["why"] == "in use: senders are authorised under it"
    refused = await domains.admin.delete(ACME)
    assert refused.status_code == 422
    assert "may still send as" in refused.json()["detail"]
    for pattern in ("@acme.example", "@.acme.example", "boss@sub.acme.example"):
        await domains.append(SenderWithdrawn, "acme", pattern=pattern)
    await eventually(lambda: _gone(domains))


async def _gone(domains) -> bool:
    return (await domains.admin.get("/domains")).json() == []


async def test_a_closed_account_has_no_domains(domains):
    await domains.prove("acme", "acme.example")
    await domains.append(AccountClosed, "acme")
    await eventually(lambda: _gone(domains))
    await domains.prove("other", "acme.example")


async def test_the_section_of_an_account_file_is_the_whole_list(domains):
    await domains.admin.patch("/accounts/acme/domains", json=["Acme.example", "straße.example"])
    section = (await domains.admin.get("/accounts/acme/domains")).json()
    assert section["domains"] == ["acme.example", "xn--strae-oqa.example"]
    plan = (await domains.admin.patch("/accounts/acme/domains?dry_run=true", json=["acme.example"])).json()
    assert plan["changes"][0]["removes"] == ["domain xn--strae-oqa.example"]
    stale = await domains.admin.patch("/accounts/acme/domains", json=[], headers={"If-Match": '"1"'})
    assert stale.status_code == 409
    assert (await domains.admin.patch("/accounts/acme/domains", json="off")).status_code == 200
    assert (await domains.admin.get("/accounts/acme/domains")).json()["domains"] == []
    wrong = await domains.admin.patch("/accounts/acme/domains", json=["acme.example", "no domain"])
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["where"] == ["body", "1"]


async def test_what_was_proven_survives_a_restart(start):
    async with start() as domains:
        await domains.prove("acme", "acme.example")
        domains.dns.fail("_varco.acme.example", "TIMEOUT")
    async with start() as domains:
        assert (await domains.admin.get(ACME)).json()["status"] == "proven"


async def test_no_request_makes_an_error_of_ours(domains):
    await domains.add("acme", "acme.example")
    call = partial(call_everything, adapt=of_account("acme"))
    token = domains.admin.headers["Authorization"].split()[1]
    assert len(await asyncio.to_thread(call, str(domains.admin.base_url), token)) > 3


async def test_a_key_signs_only_once_its_record_is_there(domains, relay):
    shown = await domains.add("acme", "acme.example")
    (key,) = shown["keys"]
    assert (key["selector"], key["status"]) == ("varco1", "waits for its record")
    assert key["record"]["name"] == "varco1._domainkey.acme.example"
    assert key["record"]["value"].startswith("v=DKIM1; k=rsa; h=sha256; p=")
    looked = (await domains.admin.post(f"{ACME}/check")).json()["keys"][0]
    assert looked["finding"] == "there is no TXT record at varco1._domainkey.acme.example"
    domains.dns.add_txt(key["record"]["name"], key["record"]["value"][:-4])
    cut = (await domains.admin.post(f"{ACME}/check")).json()["keys"][0]
    assert (cut["status"], cut["finding"].endswith("a part of it was cut off")) == ("waits for its record", True)
    domains.dns.remove(key["record"]["name"], "TXT")
    domains.dns.add(key["record"]["name"], "CNAME", "keys.acme.example.")
    domains.dns.add_txt("keys.acme.example", key["record"]["value"].replace("p=", "p= "))
    assert (await domains.admin.post(f"{ACME}/check")).json()["keys"][0]["status"] == "signs"
    assert relay.questions == ["rsa"]


async def test_accounts_that_share_a_domain_sign_with_selectors_of_their_own(domains, relay):
    await _sign(domains)
    (key,) = (await domains.add("agency", "acme.example"))["keys"]
    assert key["selector"].startswith("varco1-")
    domains.dns.add_txt(key["record"]["name"], key["record"]["value"])
    await domains.admin.post("/accounts/agency/domains/acme.example/check")
    shared = (await domains.admin.get("/accounts/agency/domains/acme.example")).json()["keys"]
    assert [entry["status"] for entry in shared] == ["signs"]
    assert await _keys(domains) == {"varco1": "signs"}


async def test_a_dns_failure_takes_no_key_away(domains, relay):
    await _sign(domains)
    domains.dns.fail("varco1._domainkey.acme.example", "SERVFAIL")
    assert (await domains.admin.post(f"{ACME}/check")).json()["keys"][0]["status"] == "signs"


async def test_a_dns_failure_in_the_middle_of_a_rotation_leaves_the_old_key_signing(domains, relay):
    await _sign(domains)
    assert (await domains.admin.post(f"{ACME}/rotate")).status_code == 200
    domains.dns.fail("varco2._domainkey.acme.example", "SERVFAIL")
    await _publish(domains)
    assert await _keys(domains) == {"varco1": "signs", "varco2": "waits for its record"}
    domains.dns.mend("varco2._domainkey.acme.example")
    (await domains.admin.post(f"{ACME}/check")).raise_for_status()
    assert await _keys(domains) == {"varco1": "replaced", "varco2": "signs"}


async def test_a_domain_is_removed_while_its_key_signs_and_comes_back_with_a_new_one(domains, relay):
    await _sign(domains)
    assert (await domains.admin.delete(ACME)).status_code == 200
    (key,) = (await domains.add("acme", "acme.example"))["keys"]
    assert (key["selector"], key["status"]) == ("varco1", "waits for its record")
    looked = (await domains.admin.post(f"{ACME}/check")).json()["keys"][0]  # the old record is still there
    assert (looked["status"], "has another key" in looked["finding"]) == ("waits for its record", True)


async def test_a_wildcard_record_proves_nothing_and_is_named(domains, relay):
    domains.dns.add_txt("*.acme.example", "v=spf1 -all")
    await domains.add("acme", "acme.example")
    answer = (await domains.admin.post(f"{ACME}/check")).json()
    assert answer["finding"] == "_varco.acme.example has other values: 'v=spf1 -all'"
    assert "has no key, but 'v=spf1 -all': of a wildcard record" in answer["keys"][0]["finding"]
    domains.dns.add("_varco.acme.example", "CNAME", "proof.provider.example.")
    domains.dns.add_txt("proof.provider.example", answer["record"]["value"])
    assert (await domains.admin.post(f"{ACME}/check")).json()["status"] == "proven"


async def test_the_next_key_takes_over_when_its_record_is_there(domains, relay):
    await _sign(domains)
    assert (await domains.admin.post(f"{ACME}/rotate?ed25519=true")).status_code == 200
    assert await _keys(domains) == {
        "varco1": "signs",
        "varco2": "waits for its record",
        "varco2e": "waits for its record",
    }
    again = await domains.admin.post(f"{ACME}/rotate")
    assert (again.status_code, "the next key is there already" in again.json()["detail"]) == (422, True)
    await _publish(domains)
    assert await _keys(domains) == {"varco1": "replaced", "varco2": "signs", "varco2e": "signs"}
    early = await domains.admin.post(f"{ACME}/rotate")
    assert (early.status_code, "its selector is in use" in early.json()["detail"]) == (422, True)
    assert relay.questions == ["rsa", "rsa", "ed25519"]


async def test_while_relay_is_away_a_domain_is_added_and_gets_its_key_later(domains):
    assert (await domains.add("acme", "acme.example"))["keys"] == []
    assert (await domains.admin.post(f"{ACME}/rotate")).status_code == 503
    async with fake_relay(domains.bus):
        await eventually(lambda: _keys(domains))


async def test_no_answer_has_a_private_key(domains, relay):
    await _sign(domains)
    answers = [await domains.admin.get(path) for path in (ACME, "/domains", "/accounts/acme/domains")]
    assert not any("sealed" in answer.text for answer in answers)


async def _keys(domains) -> dict[str, str]:
    return {key["selector"]: key["status"] for key in (await domains.admin.get(ACME)).json()["keys"]}


async def _publish(domains) -> None:
    """Publishes the records of all keys that wait, and looks."""
    for key in (await domains.admin.get(ACME)).json()["keys"]:
        if key["status"] == "waits for its record":
            domains.dns.add_txt(key["record"]["name"], key["record"]["value"])
    (await domains.admin.post(f"{ACME}/check")).raise_for_status()


async def _sign(domains) -> None:
    await domains.add("acme", "acme.example")
    await _publish(domains)
    assert await _keys(domains) == {"varco1": "signs"}
