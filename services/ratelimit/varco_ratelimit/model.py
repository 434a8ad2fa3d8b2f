"""One account's quotas: its limits, its exceptions, what was reset and what was said already. Folded from events; pure."""

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
from varco_common.mail.senders import covering, normal
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
    """`resets` has by sender (empty: the whole account) up to when its mails don't count; `said` when what was said last."""

    account: str
    quotas: Quotas = Quotas()
    exceptions: dict[str, QuotaException] = {}
    resets: dict[str, int] = {}
    said: dict[str, int] = {}

    def exception(self, sender: str, now: int) -> QuotaException | None:
        """The narrowest one that covers the sender and hasn't ended."""
        if not self.exceptions or sender == NULL_SENDER:
            return None
        pattern = covering(sender, {name for name, one in self.exceptions.items() if one.holds(now)})
        return self.exceptions[pattern] if pattern else None

    def limits(self, sender: str, now: int) -> Limits:
        """What holds for one sender now."""
        excepted = self.exception(sender, now)
        if not excepted:
            return self.quotas.senders
        both: dict[Meter, Limit | None] = {**self.quotas.senders, **excepted.limits}
        return {meter: limit for meter, limit in both.items() if limit}


def sender_key(address: str) -> str:
    """What a sender is counted under: its address as lists compare it, without quotes that it doesn't need.

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


def alert_key(said: type[QuotaAlert], sender: str, meter: Meter) -> str:
    """What is said once a window."""
    return f"{'nearly' if said is QuotaNearlyReached else 'over'} {meter} {sender}"


def account_of(event: AnyEvent) -> str:
    """Every event that this folds is about an account."""
    return str(getattr(event, "account", ""))


def apply(state: AccountQuotas | None, event: AnyEvent) -> AccountQuotas | None:
    """The state after the event; None where there is nothing to keep."""
    if isinstance(event, AccountClosed):
        return None
    return (
        _changed(state or AccountQuotas(account=account_of(event)), event) if isinstance(event, QuotaEvent) else state
    )


def _changed(held: AccountQuotas, event: QuotaEvent) -> AccountQuotas:
    match event:
        case QuotaSet(quotas=quotas):
            return replace(held, quotas=quotas, said={})
        case QuotaExcepted():
            one = QuotaException(
                pattern=event.pattern,
                limits=event.limits,
                since=event.at,
                until=event.until,
                by=event.by,
                reason=event.reason,
            )
            return replace(held, exceptions={**held.exceptions, one.pattern: one}, said={})
        case QuotaExceptionRemoved(pattern=pattern):
            kept = {name: one for name, one in held.exceptions.items() if name != pattern}
            return replace(held, exceptions=kept, said={})
        case QuotaReset(sender=sender):
            at = milliseconds(event.at)
            said = {key: when for key, when in held.said.items() if key.split(" ", 2)[2] != sender}
            return replace(held, resets=_lately({**held.resets, sender: at}, at), said=said)
        case QuotaNearlyReached() | QuotaExceeded():
            at = milliseconds(event.at)
            key = alert_key(type(event), event.sender, event.meter)
            return replace(held, said=_lately({**held.said, key: at}, at))
        case _:
            return held


def _lately(times: dict[str, int], now: int) -> dict[str, int]:
    """What is older than every window means nothing any more."""
    return {key: at for key, at in times.items() if at > now - LONGEST}


QUOTAS = ProjectionSpec("quotas", FILTERS, apply, AccountQuotas, account_of)
