"""Follows MAIL and the refusals: a reservation becomes a counted mail, or is released."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from varco_common.base import log, subjects
from varco_common.base.tasks import retry_until_available
from varco_common.base.watermark import Watermark
from varco_common.bus import Bus, StoredRecord
from varco_common.events import MailRecorded, MailRefused
from varco_ratelimit import counted_record, metrics
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.known_recipients import KnownRecipients, day_of, pair_of
from varco_ratelimit.model import sender_key
from varco_ratelimit.quota_windows import moment

ACCEPTED = tuple(subjects.mail(kind, "*") for kind in counted_record.COUNTED)
RECORDED = MailRecorded.subject_filter()  # audit records all of MAIL in EVENTS, which keeps it for years
REFUSED = MailRefused.subject_filter()

_CLOCK_SKEW = 2_000  # milliseconds that the clocks of a cluster may differ

_log = log.get(__name__)


class UnsavedMail(NamedTuple):
    """A counted mail that is not in the database yet, and its sequence in MAIL."""

    sequence: int
    mail: Reservation


class MailCounter:
    """Every process counts all mails, whichever process voted on them.

    So it can take over any partition at once.
    """

    def __init__(self, bus: Bus, counters: QuotaCounters, known: KnownRecipients) -> None:
        self._bus, self._counters, self._known = bus, counters, known
        self.counted = Watermark()
        self._recorded_counted, self._missed = asyncio.Event(), asyncio.Event()
        self._at = 0
        self.unsaved: list[UnsavedMail] = []

    @property
    def sequence(self) -> int:
        """The last record of MAIL that was counted."""
        return self.counted.value

    async def follow(self, after: int, at: int) -> None:
        """Counts until cancelled, from sequence `after` of MAIL on, which was stored `at`.

        MAIL erases what no service needs any more, but EVENTS has its records. So at the start, and
        whenever records may have been missed, those in EVENTS are counted before those in MAIL.
        """
        self.counted.advance(after)
        self._at = at
        self._bus.on_reconnect(self._recount)
        while True:
            self._missed.clear()
            await retry_until_available(self._count_recorded)
            self._recorded_counted.set()
            counting, missing = asyncio.ensure_future(self._count_all()), asyncio.ensure_future(self._missed.wait())
            try:
                await asyncio.wait((counting, missing), return_when=asyncio.FIRST_COMPLETED)
                if counting.done():
                    counting.result()
            finally:
                for task in (counting, missing):
                    task.cancel()
                await asyncio.gather(counting, missing, return_exceptions=True)

    def _recount(self) -> None:
        """Counts again after the bus was away, or after this process stood still.

        Records may have been erased before they were counted.
        """
        self._recorded_counted.clear()
        self._missed.set()

    async def _count_all(self) -> None:
        async with aclosing(self._bus.mail.follow(*ACCEPTED, after=self.sequence, name="counted")) as stored:
            async for record in stored:
                if self._missed.is_set():
                    return  # records before this one may be missing
                self.count(record)

    async def _count_recorded(self) -> None:
        """Counts the records in EVENTS after the last one that was counted."""
        until = await self._bus.events.last_sequence(RECORDED)
        _, newest = await self._bus.mail.bounds()  # no event makes a record of MAIL that never was
        if self.sequence >= newest:
            return
        after = await self._bus.events.first_at(moment(self._at - _CLOCK_SKEW), RECORDED) - 1
        async with aclosing(self._bus.events.follow_raw(RECORDED, after=after, last=until)) as events:
            async for event in events:
                record = counted_record.recorded(event.payload) if event.own else None
                if record and self.sequence < record.sequence <= newest:
                    self.count(record)

    async def follow_refusals(self, oldest: int) -> None:
        """Releases mails refused since `oldest`, the time of the oldest reservation."""
        first = await retry_until_available(lambda: self._bus.events.first_at(moment(oldest), REFUSED))
        async with aclosing(self._bus.events.follow(REFUSED, after=first - 1)) as events:
            async for stored in events:
                if isinstance(stored.event, MailRefused):
                    self._counters.release(stored.event.ballot.envelope.id)

    async def caught_up(self) -> None:
        """Returns once every record that MAIL ever had by now is counted."""
        await self._recorded_counted.wait()
        await self.counted.reached(await retry_until_available(lambda: self._bus.mail.last_sequence(*ACCEPTED)))

    def count(self, record: StoredRecord) -> None:
        """One record, in the order of MAIL.

        One that can't be read is not counted; the workers park it.
        """
        try:
            mail = counted_record.decode(record.record)
        except msgspec.DecodeError as error:
            metrics.UNREAD.inc()
            _log.error("record can't be read", sequence=record.sequence, error=str(error))
        else:
            envelope = mail.envelope
            sender, day = sender_key(envelope.sender), day_of(record.at)
            mail_sent = Reservation(envelope.id, envelope.account, sender, mail.amounts, record.at)
            self._counters.commit(record.sequence, mail_sent)
            self.unsaved.append(UnsavedMail(record.sequence, mail_sent))
            for recipient in envelope.recipients:
                self._known.add_mail(pair_of(envelope.account, sender, sender_key(recipient)), day)
            metrics.RECORDS.inc()
        self._at = record.at
        self.counted.advance(record.sequence)
