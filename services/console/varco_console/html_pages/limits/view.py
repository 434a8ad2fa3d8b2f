"""The quotas of an account: what is used of them, and the exceptions. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from varco_console.model import Person

METERS = ("messages", "recipients", "bytes", "first_time_recipients")
BYTES = "bytes"


class LimitBar(NamedTuple):
    """How much of one limit is used. `frees_at` is when there is room for one more."""

    meter: str
    used: int
    limit: int
    per: str
    of_account: bool
    frees_at: str = ""

    @property
    def percent(self) -> int:
        return round(100 * self.used / self.limit) if self.limit else 100

    @property
    def is_full(self) -> bool:
        return self.used >= self.limit


class UsedShare(NamedTuple):
    """What a sender has sent in 24 hours, and how much of its fullest limit is used."""

    sender: str
    messages: int
    recipients: int
    bytes: int
    percent: int


class LimitException(NamedTuple):
    """Other limits of a sender or a domain. `until` is empty where it has no end."""

    sender: str
    limits: tuple[tuple[str, str], ...]
    until: datetime | None
    reason: str


class SenderLimits(NamedTuple):
    """One sender that was asked for. `exception` is the pattern of the one that holds for it."""

    sender: str
    exception: str
    bars: tuple[LimitBar, ...]


class LimitsPage(NamedTuple):
    """The whole page. `each` has the limits of every sender: the meter, how much, in which time."""

    account: str
    whole: tuple[LimitBar, ...]
    each: tuple[tuple[str, str, str], ...]
    senders: tuple[UsedShare, ...]
    exceptions: tuple[LimitException, ...]
    asked: SenderLimits | None
    may_change: bool
    mistake: str = ""

    @property
    def has_limits(self) -> bool:
        return bool(self.whole or self.each or self.exceptions)


def limits_page(
    person: Person,
    quotas: Mapping[str, Any],
    senders: Iterable[Mapping[str, Any]],
    asked: Iterable[Mapping[str, Any]],
) -> LimitsPage:
    """Of ratelimit's answers about the account, its senders, and the sender that was asked for."""
    document = quotas["quotas"] or {}
    return LimitsPage(
        account=quotas["account"],
        whole=tuple(map(_bar, quotas["used"])),
        each=tuple(
            (meter, str(document[meter]["limit"]), document[meter]["per"]) for meter in METERS if meter in document
        ),
        senders=tuple(shares(senders)),
        exceptions=tuple(map(_exception, document.get("exceptions", ()))),
        asked=next(map(_sender, asked), None),
        may_change=person.role.may_change and person.role.sees_all,
    )


def shares(senders: Iterable[Mapping[str, Any]]) -> Iterator[UsedShare]:
    for entry in senders:
        percent = round(100 * entry["full"])
        yield UsedShare(entry["sender"], entry["messages"], entry["recipients"], entry["bytes"], percent)


def exception_body(amounts: Mapping[str, str], until: str) -> dict[str, Any]:
    """Of texts by meter: a number, a size or `unlimited`. An empty one is left out."""
    given = {meter: text.strip() for meter, text in amounts.items() if text.strip()}
    body: dict[str, Any] = {
        meter: int(text) if text.isascii() and text.isdecimal() else text for meter, text in given.items()
    }
    return body | ({"until": until} if until else {})


def _bar(meter: Mapping[str, Any]) -> LimitBar:
    used = meter["used"] + meter["pending"]
    of_account = meter["of"].startswith("account ")
    frees_at = meter["frees_at"] if used >= meter["limit"] else ""
    return LimitBar(meter["meter"], used, meter["limit"], meter["per"], of_account, frees_at)


def _sender(entry: Mapping[str, Any]) -> SenderLimits:
    return SenderLimits(entry["sender"], entry["exception"], tuple(map(_bar, entry["meters"])))


def _exception(entry: Mapping[str, Any]) -> LimitException:
    limits = tuple((meter, _words(entry[meter])) for meter in METERS if meter in entry)
    until = datetime.fromisoformat(entry["until"]) if entry.get("until") else None
    return LimitException(entry["sender"], limits, until, entry["reason"])


def _words(limit: Any) -> str:
    return limit if isinstance(limit, str) else f"{limit['limit']} / {limit['per']}"
