"""The daily look through the whole service: what it records, what it keeps, and what it shows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.dns import Resolver
from varco_common.events import Colour, DomainVouched, ReputationChanged, ReputationFinding, decode_authenticated
from varco_common.eventsourcing.projection import Projection
from varco_common.storage import database
from varco_common.testing.dns import DnsServer
from varco_common.testing.waiting import eventually
from varco_domains.model import DOMAINS
from varco_domains.reputation.daily_look import DailyLook, LookSettings
from varco_domains.reputation.look import BlockLists, KeyRecords
from varco_domains.reputation.look_times import LookTimes
from varco_domains.reputation.model import REPUTATIONS, KnownFinding, Reputation, apply, domain_key, news

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


class RunningLook:
    """The daily look, which begins at once."""

    def __init__(self, reputations: Projection[Reputation], times: LookTimes) -> None:
        self._reputations, self._times = reputations, times

    def colour(self, name: str) -> Colour | None:
        """Of the domain's SPF record."""
        state = self._reputations.get(domain_key("acme", name))
        return state.findings[0].colour if state else None

    async def noted(self, names: list[str]) -> bool:
        """Whether these were looked at, as the next start will see it."""
        await self._times.load()
        return all(self._times.at(domain_key("acme", name)) for name in names)


@asynccontextmanager
async def looking(bus: Bus, dns: DnsServer, home: Path) -> AsyncIterator[RunningLook]:
    """As the service runs it; again with the same database."""
    async with database.connect(f"sqlite+aiosqlite:///{home / 'domains.db'}", "domains") as engine:
        await database.migrate(engine, "varco_domains")
        domains, reputations = (Projection(spec, bus, engine, "domains") for spec in (DOMAINS, REPUTATIONS))
        settings = LookSettings(
            resolver=Resolver([dns.address], seconds=2),
            addresses=(),
            greeting="smtp.acme.example",
            lists=BlockLists(addresses=(), domains=()),
            servers=[("127.0.0.1", dns.port)],
        )
        daily = DailyLook(
            bus,
            domains,
            reputations,
            keys=lambda _account, _name: KeyRecords(),
            settings=settings,
            times=LookTimes(engine),
            first=timedelta(),
        )
        async with domains.following(), reputations.following(), run_in_background(daily.run()):
            yield RunningLook(reputations, LookTimes(engine))


async def vouch(bus: Bus, dns: DnsServer, count: int) -> list[str]:
    names = [f"d{number}.example" for number in range(count)]
    for name in names:
        dns.add_txt(name, "v=spf1 +all")
        await bus.events.append(DomainVouched(at=datetime.now(UTC), account="acme", domain=name))
    return names


async def test_a_silent_zone_does_not_keep_other_domains_from_their_look(
    bus: Bus, dns: DnsServer, tmp_path: Path
) -> None:
    silent, *others = await vouch(bus, dns, 12)
    dns.fail_zone(silent, "TIMEOUT")
    async with looking(bus, dns, tmp_path) as running:
        await eventually(lambda: all(running.colour(name) is Colour.RED for name in others), seconds=240)
        assert running.colour(silent) is Colour.UNKNOWN


async def test_a_restart_goes_on_where_the_look_ended(bus: Bus, dns: DnsServer, tmp_path: Path) -> None:
    names = await vouch(bus, dns, 12)
    async with looking(bus, dns, tmp_path) as running:
        await eventually(lambda: running.noted(names[:8]), seconds=240)
    asked = [question for question in dns.questions if question.name in names[:8]]
    async with looking(bus, dns, tmp_path) as running:
        await eventually(lambda: running.noted(names), seconds=240)
    assert [question for question in dns.questions if question.name in names[:8]] == asked
    assert all(running.colour(name) is Colour.RED for name in names)


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
