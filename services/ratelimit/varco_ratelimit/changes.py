"""Changes of one account's quotas, decided on its state: each is a fact to append and a line for whoever asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    Limit,
    Meter,
    QuotaEvent,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaReset,
    Quotas,
    QuotaSet,
    Window,
)
from varco_ratelimit.account import AccountQuotas
from varco_ratelimit.decide import amount_words

E = TypeVar("E", bound=QuotaEvent)
Op = Literal["add", "remove", "change"]

_SIGNS: dict[Op, str] = {"add": "+", "remove": "-", "change": "~"}


class Change(NamedTuple):
    """One difference: `section` and `key` say of what, `line` is for people, `event` is the fact that makes it so."""

    op: Op
    section: str
    key: str
    detail: str
    event: QuotaEvent

    @property
    def line(self) -> str:
        return " ".join(filter(None, (_SIGNS[self.op], self.section, self.key, self.detail)))


class Said(NamedTuple):
    """Who asks for a change of which account, when and why."""

    account: str
    at: datetime
    by: str
    reason: str = ""

    def fact(self, kind: type[E], **fields: Any) -> E:
        return kind(**{"account": self.account, "at": self.at, "by": self.by, "reason": self.reason, **fields})


class Wish(NamedTuple):
    """An exception as somebody wants it."""

    pattern: str
    limits: dict[Meter, Limit | None]
    until: datetime | None
    reason: str


def set_quotas(account: AccountQuotas, said: Said, wanted: Quotas) -> list[Change]:
    differences = [
        *_differences("", account.quotas.senders, wanted.senders),
        *_differences("account ", account.quotas.whole, wanted.whole),
    ]
    if account.quotas.time_zone != wanted.time_zone:
        differences.append(f"time zone: {account.quotas.time_zone} -> {wanted.time_zone}")
    if account.quotas.permanent != wanted.permanent:
        differences.append(f"answer: {_answer(account.quotas)} -> {_answer(wanted)}")
    if not differences:
        return []
    return [Change("change", "quotas", "", "; ".join(differences), said.fact(QuotaSet, quotas=wanted))]


def put_exception(account: AccountQuotas, said: Said, wish: Wish) -> list[Change]:
    """Raises RefusedCommand where it would have ended already."""
    held = account.exceptions.get(wish.pattern)
    if held and (held.limits, held.until, held.reason) == (wish.limits, wish.until, wish.reason):
        return []
    if wish.until and wish.until <= said.at:
        raise RefusedCommand(f"the exception for {wish.pattern} would end before it begins: {wish.until.isoformat()}")
    detail = "; ".join(f"{meter}: {limit_words(meter, limit)}" for meter, limit in wish.limits.items())
    if wish.until:
        detail = f"{detail} until {wish.until.isoformat()}"
    event = said.fact(
        QuotaExcepted, pattern=wish.pattern, limits=wish.limits, until=wish.until, reason=wish.reason or said.reason
    )
    return [Change("change" if held else "add", "quota exception", wish.pattern, detail, event)]


def put_exceptions(account: AccountQuotas, said: Said, wanted: list[Wish]) -> list[Change]:
    """All of them: those that are left out are gone, but for those that have ended anyway."""
    named = {wish.pattern for wish in wanted}
    if len(named) < len(wanted):
        raise RefusedCommand("a sender is excepted twice")
    gone = [pattern for pattern in account.exceptions if pattern not in named]
    return [
        *(change for wish in wanted for change in put_exception(account, said, wish)),
        *(change for pattern in gone for change in remove_exception(account, said, pattern)),
    ]


def remove_exception(account: AccountQuotas, said: Said, pattern: str) -> list[Change]:
    if pattern not in account.exceptions:
        raise NotFound(f"there is no exception for {pattern} in {account.account}")
    return [Change("remove", "quota exception", pattern, "", said.fact(QuotaExceptionRemoved, pattern=pattern))]


def reset(said: Said, sender: str) -> list[Change]:
    """`sender` empty: what counts towards the whole account's limits."""
    detail = "what was sent until now counts no more"
    return [Change("change", "quota of", sender or "the whole account", detail, said.fact(QuotaReset, sender=sender))]


def looser(old: Quotas, new: Quotas) -> bool:
    """Whether any mail could pass the new limits that the old ones refuse."""
    both = ((old.senders, new.senders), (old.whole, new.whole))
    if any(_looser(limit, later.get(meter)) for before, later in both for meter, limit in before.items()):
        return True
    calendar = any(limit.per is Window.CALENDAR_DAY for limits, _ in both for limit in limits.values())
    return calendar and old.time_zone != new.time_zone  # a day that begins later gives a second day's mail


def limit_words(meter: Meter, limit: Limit | None) -> str:
    return f"{amount_words(meter, limit.limit)} per {limit.per}" if limit else "unlimited"


def _looser(old: Limit, new: Limit | None) -> bool:
    return new is None or new.per is not old.per or new.limit > old.limit


def _differences(prefix: str, old: Mapping[Meter, Limit], new: Mapping[Meter, Limit]) -> list[str]:
    return [
        f"{prefix}{meter}: {limit_words(meter, old.get(meter))} -> {limit_words(meter, new.get(meter))}"
        for meter in Meter
        if old.get(meter) != new.get(meter)
    ]


def _answer(quotas: Quotas) -> int:
    return 550 if quotas.permanent else 450
