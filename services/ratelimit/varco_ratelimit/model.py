"""One account's quotas: limits, exceptions, resets, and which alerts were published.

Folded from events; pure.
"""

import re
from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.base import subjects
from varco_common.events import (
    AccountClosed,
    AnyEvent,
    Limit,
    Limits,
    Meter,
    QuotaAlert,
    QuotaEvent,
    QuotaExceeded,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaNearlyReached,
    QuotaReset,
    Quotas,
    QuotaSet,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.sender_patterns import narrowest_pattern, normal
from varco_ratelimit.quota_windows import LONGEST, milliseconds

FILTERS = (subjects.event("ratelimit", "*", "*"), AccountClosed.subject_filter())
NULL_SENDER = "<>"  # the null sender (RFC 5321 4.5.5) has its own quota, under this name

_QUOTED_PAIR = re.compile(r"\\(.)")
_DOT_STRING = re.compile(r'[^\s"(),.:;<>@\[\\\]]+(\.[^\s"(),.:;<>@\[\\\]]+)*')


class QuotaException(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Other limits for the senders of a pattern. A meter with None has no limit."""

    pattern: str
    limits: dict[Meter, Limit | None]
    since: datetime
    until: datetime | None = None
    by: str = ""
    reason: str = ""

    def holds(self, now: int) -> bool:
        return self.until is None or milliseconds(self.until) > now


class AccountQuotas(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`resets` has by sender (empty: the whole account) the time up to which its mails don't count.

    `alerts` has by `alert_key` when an alert was published last. Times are milliseconds since 1970.
    """

    account: str
    quotas: Quotas = Quotas()
    exceptions: dict[str, QuotaException] = {}
    resets: dict[str, int] = {}
    alerts: dict[str, int] = msgspec.field(default_factory=dict, name="said")  # its name in stored snapshots

    def exception(self, sender: str, now: int) -> QuotaException | None:
        """The narrowest exception that covers the sender and hasn't ended."""
        if not self.exceptions or sender == NULL_SENDER:
            return None
        pattern = narrowest_pattern(
            sender, {name for name, exception in self.exceptions.items() if exception.holds(now)}
        )
        return self.exceptions[pattern] if pattern else None

    def limits(self, sender: str, now: int) -> Limits:
        """The limits of one sender now."""
        exception = self.exception(sender, now)
        if not exception:
            return self.quotas.senders
        merged: dict[Meter, Limit | None] = {**self.quotas.senders, **exception.limits}
        return {meter: limit for meter, limit in merged.items() if limit}


def sender_key(address: str) -> str:
    """The key that a sender is counted under.

    Its normalised address, without quotes that it doesn't need.

    RFC 5321 4.1.2: `"alice"@acme.example` is `alice@acme.example`.
    """
    if not address:
        return NULL_SENDER
    sender = normal(address)
    if sender.startswith('"'):
        local, _, domain = sender.rpartition("@")
        plain = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        return f"{plain}@{domain}" if _DOT_STRING.fullmatch(plain) else sender
    return sender


def alert_key(kind: type[QuotaAlert], sender: str, meter: Meter) -> str:
    """An alert with the same key is published once a window."""
    return f"{'nearly' if kind is QuotaNearlyReached else 'over'} {meter} {sender}"


def account_of(event: AnyEvent) -> str:
    """The key of the projection: all its events are about an account."""
    return str(getattr(event, "account", ""))


def apply(state: AccountQuotas | None, event: AnyEvent) -> AccountQuotas | None:
    """The state after the event; None for a closed account."""
    if isinstance(event, AccountClosed):
        return None
    if isinstance(event, QuotaEvent):
        return _changed(state or AccountQuotas(account=account_of(event)), event)
    return state


def _changed(state: AccountQuotas, event: QuotaEvent) -> AccountQuotas:
    match event:
        case QuotaSet(quotas=quotas):
            return replace(state, quotas=quotas, alerts={})
        case QuotaExcepted():
            exception = QuotaException(
                pattern=event.pattern,
                limits=event.limits,
                since=event.at,
                until=event.until,
                by=event.by,
                reason=event.reason,
            )
            return replace(state, exceptions={**state.exceptions, exception.pattern: exception}, alerts={})
        case QuotaExceptionRemoved(pattern=pattern):
            others = {name: exception for name, exception in state.exceptions.items() if name != pattern}
            return replace(state, exceptions=others, alerts={})
        case QuotaReset(sender=sender):
            at = milliseconds(event.at)
            alerts = {key: time for key, time in state.alerts.items() if key.split(" ", 2)[2] != sender}
            return replace(state, resets=_recent({**state.resets, sender: at}, at), alerts=alerts)
        case QuotaNearlyReached() | QuotaExceeded():
            at = milliseconds(event.at)
            key = alert_key(type(event), event.sender, event.meter)
            return replace(state, alerts=_recent({**state.alerts, key: at}, at))
        case _:
            return state


def _recent(times: dict[str, int], now: int) -> dict[str, int]:
    """Without the times that are before every window."""
    return {key: at for key, at in times.items() if at > now - LONGEST}


QUOTAS = ProjectionSpec("quotas", FILTERS, apply, AccountQuotas, account_of)
