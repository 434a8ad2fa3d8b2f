"""Commands that change an account's quotas: from its state and a request to the changes. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    Limit,
    Meter,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaReset,
    Quotas,
    QuotaSet,
    Window,
)
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_ratelimit.model import AccountQuotas
from varco_ratelimit.quota_text import amount_text


class ExceptionRequest(NamedTuple):
    """An exception as it is asked for. `until` is in UTC; None: it never ends."""

    pattern: str
    limits: dict[Meter, Limit | None]
    until: datetime | None
    reason: str


def set_quotas(account: AccountQuotas, context: CommandContext, quotas: Quotas) -> list[Change]:
    differences = [
        *_differences("", account.quotas.senders, quotas.senders),
        *_differences("account ", account.quotas.whole, quotas.whole),
    ]
    if account.quotas.time_zone != quotas.time_zone:
        differences.append(f"time zone: {account.quotas.time_zone} -> {quotas.time_zone}")
    if account.quotas.permanent != quotas.permanent:
        differences.append(f"answer: {_answer(account.quotas)} -> {_answer(quotas)}")
    if not differences:
        return []
    return [Change("change", "quotas", "", "; ".join(differences), context.event(QuotaSet, quotas=quotas))]


def put_exception(account: AccountQuotas, context: CommandContext, request: ExceptionRequest) -> list[Change]:
    """Raises RefusedCommand where the exception would have ended already."""
    pattern, limits, until, reason = request
    exception = account.exceptions.get(pattern)
    if exception and (exception.limits, exception.until, exception.reason) == (limits, until, reason):
        return []
    if until and until <= context.at:
        raise RefusedCommand(f"the exception for {pattern} would end before it begins: {until.isoformat()}")
    detail = "; ".join(f"{meter}: {limit_text(meter, limit)}" for meter, limit in limits.items())
    if until:
        detail = f"{detail} until {until.isoformat()}"
    event = context.event(QuotaExcepted, pattern=pattern, limits=limits, until=until, reason=reason or context.reason)
    return [Change("change" if exception else "add", "quota exception", pattern, detail, event)]


def put_exceptions(account: AccountQuotas, context: CommandContext, requests: list[ExceptionRequest]) -> list[Change]:
    """Makes these the only exceptions of the account."""
    patterns = {request.pattern for request in requests}
    if len(patterns) < len(requests):
        raise RefusedCommand("a sender is excepted twice")
    gone = [pattern for pattern in account.exceptions if pattern not in patterns]
    return [
        *(change for request in requests for change in put_exception(account, context, request)),
        *(change for pattern in gone for change in remove_exception(account, context, pattern)),
    ]


def remove_exception(account: AccountQuotas, context: CommandContext, pattern: str) -> list[Change]:
    if pattern not in account.exceptions:
        raise NotFound(f"there is no exception for {pattern} in {account.account}")
    event = context.event(QuotaExceptionRemoved, pattern=pattern)
    return [Change("remove", "quota exception", pattern, "", event, removes=(f"quota exception {pattern}",))]


def reset(context: CommandContext, sender: str) -> list[Change]:
    """Starts the count of a sender anew; an empty `sender` stands for the whole account."""
    detail = "what was sent until now counts no more"
    return [
        Change("change", "quota of", sender or "the whole account", detail, context.event(QuotaReset, sender=sender))
    ]


def loosens(account: AccountQuotas, change: Change) -> bool:
    """Whether a mail could pass after the change that is refused before it.

    An account's own token may not do that.
    """
    return not isinstance(change.event, QuotaSet) or _looser_quotas(account.quotas, change.event.quotas)


def _looser_quotas(old: Quotas, new: Quotas) -> bool:
    both = ((old.senders, new.senders), (old.whole, new.whole))
    if any(_looser(limit, later.get(meter)) for before, later in both for meter, limit in before.items()):
        return True
    calendar = any(limit.per is Window.CALENDAR_DAY for limits, _ in both for limit in limits.values())
    return calendar and old.time_zone != new.time_zone  # a day that begins later gives a second day's mail


def limit_text(meter: Meter, limit: Limit | None) -> str:
    return f"{amount_text(meter, limit.limit)} per {limit.per}" if limit else "unlimited"


def _looser(old: Limit, new: Limit | None) -> bool:
    return new is None or new.per is not old.per or new.limit > old.limit


def _differences(prefix: str, old: Mapping[Meter, Limit], new: Mapping[Meter, Limit]) -> list[str]:
    return [
        f"{prefix}{meter}: {limit_text(meter, old.get(meter))} -> {limit_text(meter, new.get(meter))}"
        for meter in Meter
        if old.get(meter) != new.get(meter)
    ]


def _answer(quotas: Quotas) -> int:
    return 550 if quotas.permanent else 450
