"""Follows MAIL and the refusals: mails that were let pass become counted mails, or cost nothing."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from varco_common import log, subjects
from varco_common.bus import Bus
from varco_common.bus.mail import Record
from varco_common.events import MailRefused
from varco_common.tasks import patiently
from varco_ratelimit import metrics, records
from varco_ratelimit.account import sender_key
from varco_ratelimit.book import Book, Reservation
from varco_ratelimit.memory import Memory, day_of, pair_of
from varco_ratelimit.windows import moment

ACCEPTED = (
    subjects.mail("accepted", "*"),
    subjects.mail("convert", "*"),
)  # a mail's first record; what follows is the gate's
REFUSED = subjects.event("ingress-smtp", "mail-refused", "*")

_log = log.get(__name__)


class Passed(NamedTuple):
    """A mail that was counted: its sequence in MAIL, and what it weighs."""

    sequence: int
    mail: Reservation


class Counter:
    """Every process counts all of MAIL, whoever voted: so it can take over any partition at once."""

    def __init__(self, bus: Bus, book: Book, memory: Memory) -> None:
        self._bus, self._book, self._memory = bus, book, memory
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.sequence = 0
        self.fresh: list[Passed] = []  # what is not in the database yet

    async def last(self) -> int:
        """The sequence of the last record that there is now."""
        return await patiently(lambda: self._bus.last_record(*ACCEPTED))

    async def follow(self, after: int) -> None:
        """From where the database ends, for ever."""
        self._reached(after)
        async with aclosing(self._bus.records(*ACCEPTED, after=after, name="counted")) as found:
            async for record in found:
                self.count(record)

    async def follow_refusals(self, oldest: int) -> None:
        """From the oldest reservation on (milliseconds since 1970): it may have been refused while nobody was here."""
        after = await patiently(lambda: self._before(oldest))
        async with aclosing(self._bus.follow(REFUSED, after=after)) as events:
            async for stored in events:
                if isinstance(stored.event, MailRefused):
                    self._book.release(stored.event.ballot.envelope.id)

    async def caught_up(self) -> None:
        """Returns once every record that is in MAIL now has been counted."""
        last = await self.last()
        if self.sequence >= last:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((last, waiter))
        try:
            await waiter
        finally:
            self._waiting.remove((last, waiter))

    def count(self, record: Record) -> None:
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
            self.fresh.append(Passed(record.sequence, passed))
            for recipient in envelope.recipients:
                self._memory.meet(pair_of(envelope.account, sender, sender_key(recipient)), day)
            metrics.RECORDS.inc()
        self._reached(record.sequence)

    def _reached(self, sequence: int) -> None:
        self.sequence = sequence
        for awaited, waiter in self._waiting:
            if awaited <= sequence and not waiter.done():
                waiter.set_result(None)

    async def _before(self, oldest: int) -> int:
        async with aclosing(self._bus.since(REFUSED, moment(oldest))) as events:
            async for stored in events:
                return stored.sequence - 1
        return await self._bus.until(REFUSED)
