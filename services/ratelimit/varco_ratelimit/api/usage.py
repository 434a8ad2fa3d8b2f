"""From the book to what HTTP shows: used, limit, when it frees up, and the mails that count."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from pydantic import BaseModel

from varco_common.bus import Bus, MissingMail
from varco_common.events import Meter, Window
from varco_common.eventsourcing.projection import Projection
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import AccountCounters, QuotaCounters
from varco_ratelimit.decide import AccountView, LimitStatus, account_limit_statuses, frees_at, limit_statuses
from varco_ratelimit.model import AccountQuotas
from varco_ratelimit.quota_windows import milliseconds, moment
from varco_ratelimit.window_counter import METERS, CountedMail

Ids = Callable[[Sequence[int]], Awaitable[dict[int, str]]]


class MeterOut(BaseModel):
    """One limit as it stands. `pending` mails are let pass and not stored yet. `frees_at`: when one more unit has room."""

    of: str
    meter: Meter
    used: int
    pending: int
    limit: int
    per: Window
    frees_at: datetime


class MailOut(BaseModel):
    """A mail that counts; `mail` is empty where MAIL has forgotten it and the database too."""

    mail: str
    at: datetime
    sequence: int
    messages: int
    recipients: int
    bytes: int
    first_time_recipients: int


class SenderUsage(BaseModel):
    """What a sender has sent in 24 hours, and how full the fullest of its limits is (1.0: nothing more passes)."""

    sender: str
    messages: int
    recipients: int
    bytes: int
    full: float


class SenderOut(BaseModel):
    """A sender in one account. `exception` is the pattern of the exception that holds for it."""

    account: str
    sender: str
    exception: str
    meters: list[MeterOut]
    day: SenderUsage
    mails: list[MailOut]


class UsageReader:
    """Answers from memory, but for the ids of mails: `ids` gives those that the database has, by sequence in MAIL."""

    def __init__(self, bus: Bus, quotas: Projection[AccountQuotas], book: QuotaCounters, ids: Ids) -> None:
        self._bus, self._quotas, self._book, self._ids = bus, quotas, book, ids

    def whole_account(self, account: str) -> list[MeterOut]:
        view = self._view(account)
        return [_meter(view, gauge) for gauge in account_limit_statuses(view)]

    async def senders(self, account: str, limit: int) -> list[SenderUsage]:
        """The fullest first. Goes through all senders, and lets others work meanwhile."""
        view, found = self._view(account), list[SenderUsage]()
        for number, sender in enumerate([*self._book.ledger(account).senders]):
            found.append(_used(view, sender))
            if number % 200 == 199:
                await asyncio.sleep(0)
                found = _fullest(found, limit)
        return [one for one in _fullest(found, limit) if one.messages]

    async def sender(self, sender: str, account: str, mails: int) -> list[SenderOut]:
        """In one account, or in all where it has sent mail that may count."""
        names = [account] if account else [name for name, one in self._book.ledgers.items() if sender in one.senders]
        return [await self._sender(sender, name, mails) for name in sorted(names)]

    async def _sender(self, sender: str, account: str, mails: int) -> SenderOut:
        view = self._view(account)
        shown = list(limit_statuses(view, sender))
        excepted = view.account.exception(sender, view.now)
        begins = min((one.since for one in shown if one.sender == sender), default=view.now - quota_windows.DAY)
        counted = [*islice(self._book.ledger(account).of(sender).mails(begins), mails)]
        return SenderOut(
            account=account,
            sender=sender,
            exception=excepted.pattern if excepted else "",
            meters=[_meter(view, gauge) for gauge in shown],
            day=_used(view, sender),
            mails=await self._mails(counted),
        )

    async def _mails(self, counted: Sequence[CountedMail]) -> list[MailOut]:
        """With their ids, which memory doesn't have: from the database, or from MAIL where it isn't saved yet."""
        known = await self._ids([one.sequence for one in counted])
        return [self._mail(one, known.get(one.sequence) or await self._id(one.sequence)) for one in counted]

    async def _id(self, sequence: int) -> str:
        try:
            return (await self._bus.mail.get(sequence)).record.envelope.id
        except MissingMail:
            return ""

    def _mail(self, counted: CountedMail, mail: str) -> MailOut:
        amounts = dict(zip((meter.value for meter in METERS), counted.amounts, strict=True))
        return MailOut(mail=mail, at=moment(counted.at), sequence=counted.sequence, **amounts)

    def _view(self, account: str) -> AccountView:
        state, ledger = self._quotas.get(account), self._book.ledgers.get(account)
        return AccountView(
            state or AccountQuotas(account=account), ledger or AccountCounters(), milliseconds(datetime.now(UTC))
        )


def _meter(view: AccountView, gauge: LimitStatus) -> MeterOut:
    at = frees_at(view, gauge, 1)
    return MeterOut(
        of=gauge.sender or f"account {view.account.account}",
        meter=gauge.meter,
        used=gauge.used,
        pending=gauge.pending,
        limit=gauge.limit.limit,
        per=gauge.limit.per,
        frees_at=moment(view.now if at is None else at),
    )


def _used(view: AccountView, sender: str) -> SenderUsage:
    usage, begins = view.ledger.of(sender), view.now - quota_windows.DAY
    messages, recipients, size = (usage.used(place, begins) for place in range(3))
    full = max(
        ((one.used + one.pending) / max(one.limit.limit, 1) for one in limit_statuses(view, sender) if one.sender),
        default=0.0,
    )
    return SenderUsage(sender=sender, messages=messages, recipients=recipients, bytes=size, full=round(full, 3))


def _fullest(found: Iterable[SenderUsage], limit: int) -> list[SenderUsage]:
    return heapq.nlargest(limit, found, key=lambda one: (one.full, one.messages))
