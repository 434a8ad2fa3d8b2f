"""ratelimit, a voter: has this sender, or its account, sent too much already? Pure.

Times are milliseconds since 1970.
"""

from typing import NamedTuple

from varco_common.events import Limit, Meter, QuotaExceeded, QuotaNearlyReached
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply
from varco_ratelimit.limit_status import (
    AccountView,
    LimitStatus,
    UsageCounters,
    counted_since,
    frees_at,
    limit_statuses,
)
from varco_ratelimit.model import AccountQuotas, alert_key, sender_key
from varco_ratelimit.quota_text import quota_text
from varco_ratelimit.window_counter import PLACE, Amounts

VOTER = "ratelimit"
YES = accept(VOTER)


class Alert(NamedTuple):
    """An event to publish: a limit is nearly reached, or a mail was refused for it."""

    kind: type[QuotaNearlyReached | QuotaExceeded]
    sender: str
    meter: Meter
    limit: Limit
    used: int


class Decision(NamedTuple):
    vote: Vote
    alerts: tuple[Alert, ...] = ()


def amounts_of(ballot: Ballot, first_time: int) -> Amounts:
    """How much of each meter a mail uses."""
    envelope = ballot.envelope
    return (1, len(envelope.recipients), envelope.size, first_time)


def decide(
    ballot: Ballot,
    account: AccountQuotas | None,
    counters: UsageCounters,
    amounts: Amounts,
    now: int,
    *,
    texts: AccountTexts | None = None,
) -> Decision:
    """The first limit that objects wins.

    The limits of the sender come before those of the whole account. `texts` are what its users
    read.
    """
    if account is None:
        return Decision(YES)
    alerts, view = [], AccountView(account, counters, now)
    for status in limit_statuses(view, sender_key(ballot.envelope.sender)):
        amount = amounts[PLACE[status.meter]]
        total = status.used + status.pending + amount
        if amount and total > status.limit.limit:
            return _refusal(ballot, view, status, amount, texts or AccountTexts())
        if amount and total * 10 >= status.limit.limit * 9:
            alerts.append(Alert(QuotaNearlyReached, status.sender, status.meter, status.limit, total))
    return Decision(YES, tuple(alert for alert in alerts if not _is_published(view, alert)))


def _refusal(ballot: Ballot, view: AccountView, status: LimitStatus, amount: int, texts: AccountTexts) -> Decision:
    """A mail that exceeds a limit by itself would exceed it forever.

    Its client is not told to try again.
    """
    at = frees_at(view, status, amount)
    final = view.account.quotas.permanent or at is None
    used = status.used + status.pending
    vote = Vote(
        voter=VOTER,
        reply=Reply.QUOTA_EXCEEDED_FINALLY if final else Reply.QUOTA_EXCEEDED,
        reason=f"{status.sender or 'the whole account'}: {used} and {amount} more, at most {status.limit.limit}"
        f" {status.meter} per {status.limit.per}",
        text=quota_text(ballot, view.account, status, at, texts),
    )
    alert = Alert(QuotaExceeded, status.sender, status.meter, status.limit, used)
    return Decision(vote, () if _is_published(view, alert) else (alert,))


def _is_published(view: AccountView, alert: Alert) -> bool:
    """Whether the same alert was published in this window already."""
    last = view.account.alerts.get(alert_key(alert.kind, alert.sender, alert.meter))
    return last is not None and last >= counted_since(view, alert.sender, alert.limit.per)
