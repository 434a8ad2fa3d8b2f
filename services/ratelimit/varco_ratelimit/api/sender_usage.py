"""Shows the counters over HTTP.

What is used of each limit, when it frees up, and the mails that count.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from pydantic import BaseModel

from varco_common.bus import Bus, MissingMail
from varco_common.events import Meter, Window
from varco_common.eventsourcing.projection import Projection
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import AccountCounters, QuotaCounters
from varco_ratelimit.limit_status import AccountView, LimitStatus, account_limit_statuses, frees_at, limit_statuses
from varco_ratelimit.model import AccountQuotas
from varco_ratelimit.quota_windows import milliseconds, moment
from varco_ratelimit.window_counter import METERS, CountedMail

Ids = Callable[[Sequence[int]], Awaitable[dict[int, str]]]


class MeterOut(BaseModel):
    """One limit.

    `pending` is used by mails that are accepted but not stored yet. `frees_at`: when there is room
    for one more.
    """

    of: str
    meter: Meter
    used: int
    pending: int
    limit: int
    per: Window
    frees_at: datetime


class MailOut(BaseModel):
    """A mail that counts.

    Its id `mail` is empty where neither MAIL nor the database has its id any more.
    """

    mail: str
    at: datetime
    sequence: int
    messages: int
    recipients: int
    bytes: int
    first_time_recipients: int


class SenderUsage(BaseModel):
    """What a sender has sent in 24 hours.

    `full` is the share of its fullest limit that is used; at 1.0 no mail passes.
    """

    sender: str
    messages: int
    recipients: int
    bytes: int
    full: float


class TopSender(BaseModel):
    """What a sender has sent in the window that was asked for, in one account."""

    account: str
    sender: str
    messages: int
    recipients: int
    bytes: int


class FullSender(BaseModel):
    """A sender, and the share of its fullest limit that it has used; at 1.0 no mail passes."""

    account: str
    sender: str
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
    """Answers from memory, except for the ids of mails.

    `ids` reads them from the database, by sequence in MAIL.
    """

    def __init__(self, bus: Bus, quotas: Projection[AccountQuotas], counters: QuotaCounters, ids: Ids) -> None:
        self._bus, self._quotas, self._counters, self._ids = bus, quotas, counters, ids

    def whole_account(self, account: str) -> list[MeterOut]:
        view = self._view(account)
        return [_meter(view, status) for status in account_limit_statuses(view)]

    async def senders(self, account: str, limit: int) -> list[SenderUsage]:
        """The fullest first. Other work goes on while it looks at all senders."""
        view, fullest = self._view(account), list[SenderUsage]()
        for number, sender in enumerate([*self._counters.account_counters(account).senders], 1):
            fullest.append(_used(view, sender))
            if number % 200 == 0:
                await asyncio.sleep(0)
                fullest = _fullest(fullest, limit)
        return [usage for usage in _fullest(fullest, limit) if usage.messages]

    async def top(self, account: str, by: Meter, per: timedelta, limit: int) -> list[TopSender]:
        """The senders that sent most since then, in the account (empty: in all)."""
        since, place = milliseconds(datetime.now(UTC) - per), METERS.index(by)
        largest: list[tuple[int, str, str]] = []
        for name in [account] if account else sorted(self._counters.accounts):
            for number, (sender, counter) in enumerate([*self._account_counters(name).senders.items()], 1):
                if used := counter.used(place, since):
                    largest.append((used, name, sender))
                if number % 200 == 0:
                    await asyncio.sleep(0)
            largest = heapq.nlargest(limit, largest)
        return [self._top_sender(name, sender, since) for _, name, sender in largest]

    async def fullest(self, account: str, limit: int) -> list[FullSender]:
        """The senders that have used most of a limit, in the account (empty: in all)."""
        found: list[FullSender] = []
        for name in [account] if account else sorted(self._counters.accounts):
            usages = await self.senders(name, limit)
            found += [FullSender(account=name, sender=used.sender, full=used.full) for used in usages if used.full]
            found = heapq.nlargest(limit, found, key=lambda sender: sender.full)
        return found

    def _top_sender(self, account: str, sender: str, since: int) -> TopSender:
        usage = self._account_counters(account).of(sender)
        messages, recipients, size = (usage.used(place, since) for place in range(3))
        return TopSender(account=account, sender=sender, messages=messages, recipients=recipients, bytes=size)

    def _account_counters(self, account: str) -> AccountCounters:
        """Empty for an account that sent nothing, which is not remembered for that."""
        return self._counters.accounts.get(account) or AccountCounters()

    async def sender(self, sender: str, account: str, mails: int) -> list[SenderOut]:
        """In one account, or in all accounts where the sender has mail that may count."""
        accounts = self._counters.accounts.items()
        names = [account] if account else [name for name, counters in accounts if sender in counters.senders]
        return [await self._sender(sender, name, mails) for name in sorted(names)]

    async def _sender(self, sender: str, account: str, mails: int) -> SenderOut:
        view = self._view(account)
        statuses = list(limit_statuses(view, sender))
        exception = view.account.exception(sender, view.now)
        begins = min((s.since for s in statuses if s.sender == sender), default=view.now - quota_windows.DAY)
        counted = [*islice(self._counters.account_counters(account).of(sender).mails(begins), mails)]
        return SenderOut(
            account=account,
            sender=sender,
            exception=exception.pattern if exception else "",
            meters=[_meter(view, status) for status in statuses],
            day=_used(view, sender),
            mails=await self._mails(counted),
        )

    async def _mails(self, counted: Sequence[CountedMail]) -> list[MailOut]:
        """With their ids, which the counters don't have.

        From the database, or from MAIL before they are saved.
        """
        saved = await self._ids([mail.sequence for mail in counted])
        return [self._mail(mail, saved.get(mail.sequence) or await self._id(mail.sequence)) for mail in counted]

    async def _id(self, sequence: int) -> str:
        try:
            return (await self._bus.mail.get(sequence)).record.envelope.id
        except MissingMail:
            return ""

    def _mail(self, counted: CountedMail, mail: str) -> MailOut:
        amounts = dict(zip((meter.value for meter in METERS), counted.amounts, strict=True))
        return MailOut(mail=mail, at=moment(counted.at), sequence=counted.sequence, **amounts)

    def _view(self, account: str) -> AccountView:
        quotas = self._quotas.get(account) or AccountQuotas(account=account)
        return AccountView(quotas, self._account_counters(account), milliseconds(datetime.now(UTC)))


def _meter(view: AccountView, status: LimitStatus) -> MeterOut:
    at = frees_at(view, status, 1)
    return MeterOut(
        of=status.sender or f"account {view.account.account}",
        meter=status.meter,
        used=status.used,
        pending=status.pending,
        limit=status.limit.limit,
        per=status.limit.per,
        frees_at=moment(view.now if at is None else at),
    )


def _used(view: AccountView, sender: str) -> SenderUsage:
    usage, begins = view.counters.of(sender), view.now - quota_windows.DAY
    messages, recipients, size = (usage.used(place, begins) for place in range(3))
    full = max(
        ((s.used + s.pending) / max(s.limit.limit, 1) for s in limit_statuses(view, sender) if s.sender),
        default=0.0,
    )
    return SenderUsage(sender=sender, messages=messages, recipients=recipients, bytes=size, full=round(full, 3))


def _fullest(usages: Iterable[SenderUsage], limit: int) -> list[SenderUsage]:
    return heapq.nlargest(limit, usages, key=lambda usage: (usage.full, usage.messages))
