"""Follows MAIL and the refusals: mails that were let pass become counted mails, or cost nothing."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from varco_common.base import log, subjects
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus, StoredRecord
from varco_common.events import MailRecorded, MailRefused
from varco_ratelimit import metrics, records
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.known_recipients import KnownRecipients, day_of, pair_of
from varco_ratelimit.model import sender_key
from varco_ratelimit.quota_windows import moment

ACCEPTED = tuple(subjects.mail(kind, "*") for kind in records.COUNTED)
RECORDED = MailRecorded.subject_filter()  # what audit has written down of MAIL, for years
REFUSED = MailRefused.subject_filter()

SKEW = 2_000  # milliseconds between the clocks of a cluster

_log = log.get(__name__)


class UnsavedMail(NamedTuple):
    """A mail that was counted: its sequence in MAIL, and what it weighs."""

    sequence: int
    mail: Reservation


class MailCounter:
    """Every process counts all of MAIL, whoever voted: so it can take over any partition at once."""

    def __init__(self, bus: Bus, book: QuotaCounters, memory: KnownRecipients) -> None:
        self._bus, self._book, self._memory = bus, book, memory
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._recalled, self._missed = asyncio.Event(), asyncio.Event()
        self._at = 0
        self.sequence = 0
        self.fresh: list[UnsavedMail] = []  # what is not in the database yet

    async def last(self) -> int:
        """The sequence of the last record that there is now."""
        return await retry_until_available(lambda: self._bus.mail.last_sequence(*ACCEPTED))

    async def follow(self, after: int, at: int) -> None:
        """From where the database ends, for ever: `after` in MAIL, stored `at` or later (milliseconds since 1970).

        MAIL forgets what nobody needs; EVENTS has its records. So whenever something may have been missed, what EVENTS has
        is counted first, and then what MAIL has beyond that.
        """
        self._reached(after)
        self._at = at
        self._bus.on_reconnect(self._doubt)
        while True:
            self._missed.clear()
            await retry_until_available(self._recall)
            self._recalled.set()
            counting, missing = asyncio.ensure_future(self._count_all()), asyncio.ensure_future(self._missed.wait())
            try:
                await asyncio.wait((counting, missing), return_when=asyncio.FIRST_COMPLETED)
                if counting.done():
                    counting.result()
            finally:
                for task in (counting, missing):
                    task.cancel()
                await asyncio.gather(counting, missing, return_exceptions=True)

    def _doubt(self) -> None:
        """The bus was away, or this process stood still: what was erased meanwhile never passed here."""
        self._recalled.clear()
        self._missed.set()

    async def _count_all(self) -> None:
        async with aclosing(self._bus.mail.follow(*ACCEPTED, after=self.sequence, name="counted")) as found:
            async for record in found:
                self.count(record)

    async def _recall(self) -> None:
        """Counts what EVENTS has of MAIL behind the last record that was counted."""
        until = await self._bus.events.last_sequence(RECORDED)
        after = await self._before(RECORDED, self._at - SKEW)
        if until <= after:
            return
        async with aclosing(self._bus.events.follow_raw(RECORDED, after=after)) as events:
            async for event in events:
                if event.own and (record := records.recorded(event.payload)) and record.sequence > self.sequence:
                    self.count(record)
                if event.sequence >= until:
                    break

    async def follow_refusals(self, oldest: int) -> None:
        """From the oldest reservation on (milliseconds since 1970): it may have been refused while nobody was here."""
        after = await retry_until_available(lambda: self._before(REFUSED, oldest))
        async with aclosing(self._bus.events.follow(REFUSED, after=after)) as events:
            async for stored in events:
                if isinstance(stored.event, MailRefused):
                    self._book.release(stored.event.ballot.envelope.id)

    async def caught_up(self) -> None:
        """Returns once every record that is in MAIL now has been counted, and what MAIL has forgotten."""
        await self._recalled.wait()
        last = await self.last()
        if self.sequence >= last:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((last, waiter))
        try:
            await waiter
        finally:
            self._waiting.remove((last, waiter))

    def count(self, record: StoredRecord) -> None:
        """One record, in the order of MAIL. What can't be read counts for nobody; who pulls MAIL parks it."""
        try:
            mail = records.decode(record.record)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            metrics.UNREAD.inc()
            _log.error("record can't be read", sequence=record.sequence, error=str(error))
        else:
            envelope = mail.envelope
            sender, day = sender_key(envelope.sender), day_of(record.at)
            passed = Reservation(envelope.id, envelope.account, sender, mail.amounts, record.at)
            self._book.commit(record.sequence, passed)
            self.fresh.append(UnsavedMail(record.sequence, passed))
            for recipient in envelope.recipients:
                self._memory.meet(pair_of(envelope.account, sender, sender_key(recipient)), day)
            metrics.RECORDS.inc()
        self._at = record.at
        self._reached(record.sequence)

    def _reached(self, sequence: int) -> None:
        self.sequence = sequence
        for awaited, waiter in self._waiting:
            if awaited <= sequence and not waiter.done():
                waiter.set_result(None)

    async def _before(self, subject: str, oldest: int) -> int:
        async with aclosing(self._bus.events.since(subject, moment(oldest))) as events:
            async for stored in events:
                return stored.sequence - 1
        return await self._bus.events.last_sequence(subject)
