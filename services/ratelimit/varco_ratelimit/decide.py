"""ratelimit, a voter: has this sender, or its account, sent too much already? Pure.

Times are milliseconds since 1970.
"""

from typing import NamedTuple

from varco_common.base import units
from varco_common.events import Limit, Meter, QuotaExceeded, QuotaNearlyReached
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import WHOLE_ACCOUNT
from varco_ratelimit.limit_status import (
    AccountView,
    LimitStatus,
    UsageCounters,
    counted_since,
    frees_at,
    limit_statuses,
)
from varco_ratelimit.model import AccountQuotas, alert_key, sender_key
from varco_ratelimit.window_counter import PLACE, Amounts

VOTER = "ratelimit"
YES = accept(VOTER)
_MAX_TEXT = 400  # RFC 5321 4.5.3.1.5: a reply line has 512 octets, and ingress adds the mail's id


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
    ballot: Ballot, account: AccountQuotas | None, counters: UsageCounters, amounts: Amounts, now: int
) -> Decision:
    """The first limit that objects wins.

    The limits of the sender come before those of the whole account.
    """
    if account is None:
        return Decision(YES)
    alerts, view = [], AccountView(account, counters, now)
    for status in limit_statuses(view, sender_key(ballot.envelope.sender)):
        amount = amounts[PLACE[status.meter]]
        total = status.used + status.pending + amount
        if amount and total > status.limit.limit:
            return _refusal(ballot, view, status, amount)
        if amount and total * 10 >= status.limit.limit * 9:
            alerts.append(Alert(QuotaNearlyReached, status.sender, status.meter, status.limit, total))
    return Decision(YES, tuple(alert for alert in alerts if not _is_published(view, alert)))


def amount_text(meter: Meter, amount: int) -> str:
    """`100 messages`, `1 recipient`, `50MB`."""
    if meter is Meter.BYTES:
        return units.format_size(amount) if amount >= 1000 else f"{amount} bytes"
    noun = {Meter.MESSAGES: "messages", Meter.RECIPIENTS: "recipients"}.get(meter, "first-time recipients")
    return f"{amount} {noun.removesuffix('s') if amount == 1 else noun}"


def _refusal(ballot: Ballot, view: AccountView, status: LimitStatus, amount: int) -> Decision:
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
        text=_text(ballot, view.account, status, at),
    )
    alert = Alert(QuotaExceeded, status.sender, status.meter, status.limit, used)
    return Decision(vote, () if _is_published(view, alert) else (alert,))


def _text(ballot: Ballot, account: AccountQuotas, status: LimitStatus, at: int | None) -> str:
    """Sendmail's wording, which people and programs know.

    The address is cut to fit into a reply line.
    """
    envelope = ballot.envelope
    who = f"account {account.account}" if status.sender == WHOLE_ACCOUNT else envelope.sender or "<>"
    limit = f"{amount_text(status.meter, status.limit.limit)} per {quota_windows.text(status.limit.per)}"
    after = "this message is over it by itself"
    if at is not None:
        after = f"next message allowed at {quota_windows.local_time(account.quotas.time_zone, at)}"
    rest = f"... {who} has exceeded {limit}; {after}"
    recipient = envelope.recipients[0] if envelope.recipients else ""
    room = max(_MAX_TEXT - len(rest.encode()), 0)
    return f"<{recipient.encode()[:room].decode(errors='ignore')}>{rest}"


def _is_published(view: AccountView, alert: Alert) -> bool:
    """Whether the same alert was published in this window already."""
    last = view.account.alerts.get(alert_key(alert.kind, alert.sender, alert.meter))
    return last is not None and last >= counted_since(view, alert.sender, alert.limit.per)
