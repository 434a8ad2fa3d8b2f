"""A moment, quotas and mails of account acme, for tests of what is pure."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from varco_common.events import Meter, Quotas
from varco_ratelimit.counters import Reservation
from varco_ratelimit.model import AccountQuotas
from varco_ratelimit.quota_windows import milliseconds

NOW = milliseconds(datetime(2026, 11, 24, 10, tzinfo=UTC))
SAID = {"account": "acme", "at": datetime(2026, 11, 24, 10, tzinfo=UTC)}
LAPSE = 120_000


def at(zone, *moment):
    return milliseconds(datetime(*moment, tzinfo=ZoneInfo(zone)))


def account(**limits):
    return AccountQuotas(account="acme", quotas=Quotas(senders={Meter(m): limit for m, limit in limits.items()}))


def sent(counters, *times, sender="alice@acme.example", amounts=(1, 1, 100, 0)):
    for moment in times:
        counters.commit(counters.sequence + 1, Reservation(f"mail{counters.sequence}", "acme", sender, amounts, moment))
