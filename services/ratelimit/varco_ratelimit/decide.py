"""ratelimit, a voter: has this sender, or its account, sent too much already? Pure; times are milliseconds since 1970."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from varco_common.base import units
from varco_common.events import Limit, Limits, Meter, QuotaExceeded, QuotaNearlyReached, Window
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import WHOLE_ACCOUNT
from varco_ratelimit.model import AccountQuotas, alert_key, sender_key
from varco_ratelimit.window_counter import PLACE, Amounts

VOTER = "ratelimit"
YES = accept(VOTER)
_MAX_TEXT = 400  # RFC 5321 4.5.3.1.5: a reply line has 512 octets, and ingress adds the mail's id


class UsageCounter(Protocol):
    """What one sender, or a whole account, has sent; `place` is a meter's."""

    def used(self, place: int, since: int) -> int: ...
    def room_from(self, place: int, since: int, most: int) -> int | None: ...


class UsageCounters(Protocol):
    """One account: what counts, and what is pending, of a sender or (WHOLE) of them all."""

    def of(self, sender: str) -> UsageCounter: ...
    def pending(self, sender: str, place: int) -> int: ...


class LimitStatus(NamedTuple):
    """One limit as it stands: `used` by mails in MAIL, `pending` by those on their way. `since` is where its window begins."""

    sender: str
    meter: Meter
    limit: Limit
    since: int
    used: int
    pending: int


class AccountView(NamedTuple):
    """An account as it stands at `now`."""

    account: AccountQuotas
    ledger: UsageCounters
    now: int


class Alert(NamedTuple):
    """Something to state as an event: that a limit is nearly reached, or that a mail was refused for it."""

    kind: type[QuotaNearlyReached | QuotaExceeded]
    sender: str
    meter: Meter
    limit: Limit
    used: int


class Decision(NamedTuple):
    vote: Vote
    said: tuple[Alert, ...] = ()


def amounts_of(ballot: Ballot, first_time: int) -> Amounts:
    """What a mail costs."""
    envelope = ballot.envelope
    return (1, len(envelope.recipients), envelope.size, first_time)


def decide(
    ballot: Ballot, account: AccountQuotas | None, ledger: UsageCounters, amounts: Amounts, now: int
) -> Decision:
    """The first limit that objects wins; the sender's own come before the whole account's."""
    if account is None:
        return Decision(YES)
    near, view = [], AccountView(account, ledger, now)
    for gauge in limit_statuses(view, sender_key(ballot.envelope.sender)):
        amount = amounts[PLACE[gauge.meter]]
        total = gauge.used + gauge.pending + amount
        if amount and total > gauge.limit.limit:
            return _refusal(ballot, view, gauge, amount)
        if amount and total * 10 >= gauge.limit.limit * 9:
            near.append(Alert(QuotaNearlyReached, gauge.sender, gauge.meter, gauge.limit, total))
    return Decision(YES, tuple(one for one in near if not _was_said(view, one)))


def limit_statuses(view: AccountView, sender: str) -> Iterator[LimitStatus]:
    """Every limit that holds for a sender, and for its whole account."""
    yield from _gauges(view, sender, view.account.limits(sender, view.now))
    yield from account_limit_statuses(view)


def account_limit_statuses(view: AccountView) -> Iterator[LimitStatus]:
    yield from _gauges(view, WHOLE_ACCOUNT, view.account.quotas.whole)


def since(view: AccountView, sender: str, window: Window) -> int:
    """From when on mails count: the window's start, or what was reset."""
    account = view.account
    return max(quota_windows.since(window, account.quotas.time_zone, view.now), account.resets.get(sender, -1) + 1)


def frees_at(view: AccountView, gauge: LimitStatus, amount: int) -> int | None:
    """When there is room for `amount` more; None: never, the limit itself is smaller.

    Mails on their way count as if they were stored now.
    """
    place, zone, window = PLACE[gauge.meter], view.account.quotas.time_zone, gauge.limit.per
    most = gauge.limit.limit - amount
    if most < 0:
        return None
    if most < gauge.pending:
        return quota_windows.frees(window, zone, view.now)
    last = view.ledger.of(gauge.sender).room_from(place, gauge.since, most - gauge.pending)
    return view.now if last is None else quota_windows.frees(window, zone, last)


def amount_text(meter: Meter, amount: int) -> str:
    """`100 messages`, `1 recipient`, `50MB`."""
    if meter is Meter.BYTES:
        return units.format_size(amount) if amount >= 1000 else f"{amount} bytes"
    noun = {Meter.MESSAGES: "messages", Meter.RECIPIENTS: "recipients"}.get(meter, "first-time recipients")
    return f"{amount} {noun.removesuffix('s') if amount == 1 else noun}"


def _gauges(view: AccountView, sender: str, limits: Limits) -> Iterator[LimitStatus]:
    usage = view.ledger.of(sender)
    for meter, limit in limits.items():
        begins, place = since(view, sender, limit.per), PLACE[meter]
        yield LimitStatus(sender, meter, limit, begins, usage.used(place, begins), view.ledger.pending(sender, place))


def _refusal(ballot: Ballot, view: AccountView, gauge: LimitStatus, amount: int) -> Decision:
    """A mail that is over the limit all by itself would be over it for ever: its client is not told to try again."""
    at = frees_at(view, gauge, amount)
    final = view.account.quotas.permanent or at is None
    used = gauge.used + gauge.pending
    vote = Vote(
        voter=VOTER,
        reply=Reply.QUOTA_EXCEEDED_FINALLY if final else Reply.QUOTA_EXCEEDED,
        reason=f"{gauge.sender or 'the whole account'}: {used} and {amount} more, at most {gauge.limit.limit}"
        f" {gauge.meter} per {gauge.limit.per}",
        text=_text(ballot, view.account, gauge, at),
    )
    said = Alert(QuotaExceeded, gauge.sender, gauge.meter, gauge.limit, used)
    return Decision(vote, () if _was_said(view, said) else (said,))


def _text(ballot: Ballot, account: AccountQuotas, gauge: LimitStatus, at: int | None) -> str:
    """In Sendmail's words, which people and programs know; what is too long for a reply line is cut."""
    envelope = ballot.envelope
    who = f"account {account.account}" if gauge.sender == WHOLE_ACCOUNT else envelope.sender or "<>"
    limit = f"{amount_text(gauge.meter, gauge.limit.limit)} per {quota_windows.words(gauge.limit.per)}"
    after = "this message is over it by itself"
    if at is not None:
        after = f"next message allowed at {quota_windows.shown(account.quotas.time_zone, at)}"
    rest = f"... {who} has exceeded {limit}; {after}"
    recipient = envelope.recipients[0] if envelope.recipients else ""
    room = max(_MAX_TEXT - len(rest.encode()), 0)
    return f"<{recipient.encode()[:room].decode(errors='ignore')}>{rest}"


def _was_said(view: AccountView, one: Alert) -> bool:
    last = view.account.said.get(alert_key(one.kind, one.sender, one.meter))
    return last is not None and last >= since(view, one.sender, one.limit.per)
