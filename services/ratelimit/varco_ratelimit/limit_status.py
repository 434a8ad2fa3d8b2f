"""How much of each limit is used, and when there is room again.

Pure; times are milliseconds since 1970.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from varco_common.events import Limit, Limits, Meter, Window
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import WHOLE_ACCOUNT
from varco_ratelimit.model import AccountQuotas
from varco_ratelimit.window_counter import PLACE


class UsageCounter(Protocol):
    """What one sender, or a whole account, has sent; `place` is that of a meter."""

    def used(self, place: int, since: int) -> int: ...
    def room_from(self, place: int, since: int, most: int) -> int | None: ...


class UsageCounters(Protocol):
    """One account: what counts and what is pending, of a sender or of WHOLE_ACCOUNT."""

    def of(self, sender: str) -> UsageCounter: ...
    def pending(self, sender: str, place: int) -> int: ...


class LimitStatus(NamedTuple):
    """One limit: `used` by mails in MAIL, `pending` by mails on their way.

    Its window begins at `since`.
    """

    sender: str
    meter: Meter
    limit: Limit
    since: int
    used: int
    pending: int


class AccountView(NamedTuple):
    """An account at the time `now`."""

    account: AccountQuotas
    counters: UsageCounters
    now: int


def limit_statuses(view: AccountView, sender: str) -> Iterator[LimitStatus]:
    """Every limit of a sender, then those of its whole account."""
    yield from _statuses(view, sender, view.account.limits(sender, view.now))
    yield from account_limit_statuses(view)


def account_limit_statuses(view: AccountView) -> Iterator[LimitStatus]:
    yield from _statuses(view, WHOLE_ACCOUNT, view.account.quotas.whole)


def counted_since(view: AccountView, sender: str, window: Window) -> int:
    """From when on mails count: from the start of the window, or from the last reset."""
    account = view.account
    return max(quota_windows.since(window, account.quotas.time_zone, view.now), account.resets.get(sender, -1) + 1)


def frees_at(view: AccountView, status: LimitStatus, amount: int) -> int | None:
    """When there is room for `amount` more; None: never, because the limit itself is smaller.

    Mails on their way count as if they were stored now.
    """
    place, zone, window = PLACE[status.meter], view.account.quotas.time_zone, status.limit.per
    most = status.limit.limit - amount
    if most < 0:
        return None
    if most < status.pending:
        return quota_windows.frees(window, zone, view.now)
    last = view.counters.of(status.sender).room_from(place, status.since, most - status.pending)
    return view.now if last is None else quota_windows.frees(window, zone, last)


def _statuses(view: AccountView, sender: str, limits: Limits) -> Iterator[LimitStatus]:
    counter = view.counters.of(sender)
    for meter, limit in limits.items():
        begin, place = counted_since(view, sender, limit.per), PLACE[meter]
        used, pending = counter.used(place, begin), view.counters.pending(sender, place)
        yield LimitStatus(sender, meter, limit, begin, used, pending)
