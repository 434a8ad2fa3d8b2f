"""What the overview shows, from the answers of the services. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

HOURS = 24
SHOWN_SENDERS = 10
LOW_DISK = 0.1  # of the disk: less free room than this is shown as a warning
SOON = timedelta(days=14)  # a certificate that ends within this time is shown as a warning


class ServiceHealth(NamedTuple):
    """One service. `state` is serving, degraded, down or away.

    `why` has a line for each check that fails.
    """

    name: str
    state: str
    why: tuple[str, ...]


class Figure(NamedTuple):
    """A number with its name (a key of the texts). `tone` is good, warn or bad."""

    name: str
    value: str
    tone: str = "good"
    at: datetime | None = None


class HourlyMails(NamedTuple):
    """Recipients of each of the last 24 hours by outcome, the oldest hour first."""

    hours: tuple[datetime, ...]
    outcomes: Mapping[str, tuple[int, ...]]

    @property
    def total(self) -> int:
        return sum(map(sum, self.outcomes.values()))


class SenderShare(NamedTuple):
    """A sender, and which share of its fullest limit it has used, in per cent."""

    account: str
    sender: str
    percent: int


class OverviewAnswers(NamedTuple):
    """What the services said; None where one is away or may not be asked."""

    health: Mapping[str, Mapping[str, Any] | None]
    metrics: Mapping[str, Sequence[float]]
    balance: Mapping[str, Any] | None
    refused: Mapping[str, int] | None
    queue: Mapping[str, Any] | None
    senders: Sequence[Mapping[str, Any]] | None
    bans: Sequence[Mapping[str, Any]] | None
    downloads: Mapping[str, Any] | None


class Overview(NamedTuple):
    """The whole page."""

    services: tuple[ServiceHealth, ...]
    figures: tuple[Figure, ...]
    mails: HourlyMails
    refusals: tuple[tuple[str, int], ...]
    senders: tuple[SenderShare, ...]

    @property
    def all_well(self) -> bool:
        return all(service.state == "serving" for service in self.services)


def overview(answers: OverviewAnswers, now: datetime) -> Overview:
    return Overview(
        services=tuple(service_health(name, answer) for name, answer in answers.health.items()),
        figures=tuple(figures(answers, now)),
        mails=hourly_mails(answers.balance["lines"] if answers.balance else (), now),
        refusals=tuple((answers.refused or {}).items()),
        senders=tuple(map(full_sender, (answers.senders or ())[:SHOWN_SENDERS])),
    )


def service_health(name: str, answer: Mapping[str, Any] | None) -> ServiceHealth:
    """`answer` is what /readyz said; None if nobody answered."""
    if answer is None:
        return ServiceHealth(name, "away", ())
    failed = ((check, state) for check, state in answer.get("checks", {}).items() if not state["ok"])
    return ServiceHealth(name, answer["state"], tuple(f"{check}: {state['why']}" for check, state in failed))


def figures(answers: OverviewAnswers, now: datetime) -> Iterable[Figure]:
    """What an operator looks at first; only what could be asked."""
    if answers.queue:
        yield Figure("waiting", f"{answers.queue['total'] + answers.queue['untried']:,}")
        yield Figure("oldest", duration(answers.queue["oldest_seconds"] or 0))
    if answers.balance:
        lost = len(answers.balance["unaccounted"])
        yield Figure("unaccounted", f"{lost:,}", "bad" if lost else "good")
    if answers.bans is not None:
        today = sum(now - datetime.fromisoformat(ban["since"]) < timedelta(days=1) for ban in answers.bans)
        yield Figure("bans", f"{len(answers.bans):,} (+{today:,})")
    if answers.downloads:
        yield Figure("downloads", f"{len(answers.downloads['events']):,}{'+' if answers.downloads['next'] else ''}")
    yield from _machine(answers.metrics, now)


def _machine(metrics: Mapping[str, Sequence[float]], now: datetime) -> Iterable[Figure]:
    if lag := metrics.get("varco_bus_lag_seconds"):
        yield Figure("lag", duration(max(lag)), "warn" if max(lag) > 60 else "good")
    free, total = metrics.get("varco_disk_free_bytes"), metrics.get("varco_disk_total_bytes")
    if free and total and max(total):
        share = min(free) / max(total)
        yield Figure("disk", f"{min(free) / 1e9:,.1f} GB ({share:.0%})", "warn" if share < LOW_DISK else "good")
    if ends := metrics.get("varco_tls_certificate_end_timestamp_seconds"):
        end = datetime.fromtimestamp(min(ends), now.tzinfo)
        tone = "bad" if end <= now else "warn" if end - now < SOON else "good"
        yield Figure("certificates", f"{end:%Y-%m-%d}", tone, end)


def hourly_mails(lines: Iterable[Mapping[str, Any]], now: datetime) -> HourlyMails:
    """Of mails that clients sent: copies and notifications are left out."""
    newest = now.replace(minute=0, second=0, microsecond=0)
    hours = tuple(newest - timedelta(hours=back) for back in range(HOURS - 1, -1, -1))
    places = {hour: place for place, hour in enumerate(hours)}
    outcomes = {name: [0] * HOURS for name in ("delivered", "waiting", "bounced")}
    for line in lines:
        place = places.get(datetime.fromisoformat(line["hour"]))
        if line["kind"] == "mail" and place is not None:
            outcomes["delivered"][place] += line["delivered"]
            outcomes["waiting"][place] += line["in_flight"] + line["unaccounted"]
            outcomes["bounced"][place] += line["bounced"] + line["expired"] + line["dropped"]
    return HourlyMails(hours, {name: tuple(numbers) for name, numbers in outcomes.items()})


def full_sender(entry: Mapping[str, Any]) -> SenderShare:
    return SenderShare(entry["account"], entry["sender"], round(100 * entry["full"]))


def duration(seconds: float) -> str:
    """In the largest unit that fits: `45 s`, `12 min`, `3 h`, `2 d`."""
    for limit, size, unit in ((90, 1, "s"), (5_400, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
