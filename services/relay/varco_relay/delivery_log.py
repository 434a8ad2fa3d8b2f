"""Which recipients of a redelivered mail have an outcome on record, so that nobody is sent a mail twice (ADR 11)."""

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import AnyEvent, MailBounced, MailDeferred, MailDelivered, MailDropped, MailExpired

_SKEW = timedelta(seconds=2)  # the reader's cut of times, and clocks of a cluster


def recipients_of(event: AnyEvent) -> tuple[str, ...]:
    """Those that the event settles, or puts into the queue: either way the record in MAIL is done with them."""
    match event:
        case MailDelivered() | MailDropped():
            return event.recipients
        case MailDeferred() | MailBounced() | MailExpired():
            return tuple(failure.recipient for failure in event.failures)
        case _:
            return ()


class DeliveryLog:
    """What relay itself said of one account's mails since a time; read when first asked, and again when forgotten."""

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus = bus
        self._filter = subjects.event("relay", "*", subjects.token(account))
        self._known: dict[int, set[str]] = {}
        self._since: datetime | None = None
        self._forgotten = 0
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        """An outcome may have been stored that this process doesn't know of."""
        self._since = None
        self._forgotten += 1

    async def of(self, sequence: int, at: datetime) -> set[str]:
        """The recipients with an outcome, of the mail that was stored at `sequence` and `at`."""
        async with self._reading:
            while self._since is None or at < self._since:
                await self._read(at)
        return self._known.get(sequence, set())

    async def _read(self, at: datetime) -> None:
        known: dict[int, set[str]] = {}
        before = self._forgotten
        async with aclosing(self._bus.events.since(self._filter, at - _SKEW)) as events:
            async for stored in events:
                if done := recipients_of(stored.event):
                    known.setdefault(stored.event.sequence, set()).update(done)  # type: ignore[union-attr]
        if before == self._forgotten:
            self._known, self._since = known, at
