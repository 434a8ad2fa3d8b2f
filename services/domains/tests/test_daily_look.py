"""The daily look through the whole service: what it records, what it keeps, and what it shows."""

from datetime import UTC, datetime, timedelta

from varco_common.events import Colour, ReputationChanged, ReputationFinding, decode_authenticated
from varco_common.testing.waiting import eventually
from varco_domains.reputation.model import KnownFinding, Reputation, apply, news

from .conftest import Domains

DOMAIN = "acme.example"
RED = ReputationFinding(check="SPF", colour=Colour.RED, text="no SPF record")
GREEN = ReputationFinding(check="SPF", colour=Colour.GREEN, text="covers 192.0.2.7")
UNKNOWN = ReputationFinding(check="SPF", colour=Colour.UNKNOWN, text="cannot tell now")


async def shown(domains: Domains) -> dict[str, dict[str, str]]:
    """The findings by check, once somebody has looked."""

    async def reputation() -> dict[str, object] | None:
        answer = await domains.admin.get(f"/accounts/acme/domains/{DOMAIN}")
        found: dict[str, object] | None = answer.json()["reputation"]
        return found

    answer = await eventually(reputation)
    return {finding["check"]: finding for finding in answer["findings"]}  # type: ignore[attr-defined, index]


async def events(domains: Domains) -> list[ReputationChanged]:
    subject = ReputationChanged.subject_filter("acme")
    last = await domains.bus.events.last_sequence(subject)
    raws = [raw async for raw in domains.bus.events.follow_raw(subject, after=0, last=last)] if last else []
    return [
        event for raw in raws if isinstance(event := decode_authenticated(raw.subject, raw.payload), ReputationChanged)
    ]


async def test_a_check_looks_at_once_and_records_only_what_changed(domains: Domains) -> None:
    domains.dns.add_txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none")
    await domains.prove("acme", DOMAIN)
    found = await shown(domains)
    assert (found["SPF"]["colour"], found["DMARC"]["colour"], found["DKIM"]["colour"]) == ("red", "amber", "amber")
    assert found["SPF"]["record"].startswith(f'{DOMAIN} TXT "v=spf1')
    since = found["DMARC"]["since"]
    domains.dns.add_txt(DOMAIN, "v=spf1 ip4:192.0.2.7 -all")
    for _ in range(2):
        (await domains.admin.post(f"/accounts/acme/domains/{DOMAIN}/check")).raise_for_status()
    found = await shown(domains)
    assert found["SPF"]["colour"] == "amber"  # it is right, but no address is known that sends
    assert found["DMARC"]["since"] == since
    recorded = await events(domains)
    assert recorded[0].before is Colour.UNKNOWN
    assert len({event.findings for event in recorded}) == len(recorded)


async def test_a_failure_of_the_dns_leaves_what_is_known(domains: Domains) -> None:
    domains.dns.add_txt(DOMAIN, "v=spf1 +all")
    await domains.prove("acme", DOMAIN)
    assert (await shown(domains))["SPF"]["colour"] == "red"
    before = await events(domains)
    domains.dns.fail(DOMAIN, "SERVFAIL")
    domains.dns.fail(f"_dmarc.{DOMAIN}", "SERVFAIL")
    (await domains.admin.post(f"/accounts/acme/domains/{DOMAIN}/check")).raise_for_status()
    assert (await shown(domains))["SPF"]["colour"] == "red"
    assert await events(domains) == before


async def test_our_addresses_are_for_operators_alone(domains: Domains) -> None:
    assert (await domains.admin.get("/addresses")).status_code == 200
    async with domains.account("acme") as account:
        assert (await account.get("/addresses")).status_code == 403


def test_since_lasts_as_long_as_the_colour() -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    state: Reputation | None = None
    for day, finding in enumerate((RED, RED, GREEN)):
        event = ReputationChanged(
            at=at + timedelta(days=day),
            account="acme",
            domain=DOMAIN,
            before=Colour.RED,
            after=Colour.RED,
            findings=(finding,),
        )
        state = apply(state, event)
        assert state
        assert state.known[0].since == (at if finding is RED else event.at)


def test_unknown_replaces_nothing_and_is_news_only_at_first() -> None:
    assert news(None, [UNKNOWN]) == [UNKNOWN]
    known = Reputation(known=(KnownFinding(finding=RED, since=datetime.now(UTC)),))
    assert news(known, [UNKNOWN]) == ()
    assert news(known, [GREEN]) == [GREEN]
