"""Which recipients of a redelivered mail have an outcome: none is sent it twice (ADR 11)."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime, timedelta

from cachetools import TTLCache

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import AnyEvent, MailBounced, MailDeferred, MailDelivered, MailDropped, MailExpired

_OWN_SECONDS = 600.0  # a delivery that this process finished comes again within the ack wait
_MAX_OWN = 20_000  # more mails of one account are not finished in that time
_CLOCK_SKEW = timedelta(seconds=2)  # times are cut to seconds, and the clocks of a cluster differ


def recipients_of(event: AnyEvent) -> tuple[str, ...]:
    """The recipients that the event makes final or puts into the queue."""
    match event:
        case MailDelivered() | MailDropped():
            return event.recipients
        case MailDeferred() | MailBounced() | MailExpired():
            return tuple(failure.recipient for failure in event.failures)
        case _:
            return ()


class RecordedOutcomes:
    """The outcomes of one account's mails since a time.

    Reads them when first asked, and again after `forget`.
    """

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus = bus
        self._filter = subjects.event("relay", "*", subjects.token(account))
        self._recipients: dict[int, set[str]] = {}
        self._own: TTLCache[int, set[str]] = TTLCache(_MAX_OWN, _OWN_SECONDS)
        self._since: datetime | None = None
        self._forgotten = 0
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        """Call this when an outcome may have been stored without this process knowing."""
        self._since = None
        self._forgotten += 1

    def add(self, sequence: int, recipients: Iterable[str]) -> None:
        """Notes outcomes that this process has just appended: `_read` may have been before that.

        The bus delivers a mail again whose ack it lost or got too late.
        """
        self._own.setdefault(sequence, set()).update(recipients)

    async def recipients(self, sequence: int, at: datetime) -> set[str]:
        """The recipients with an outcome, of the mail that was stored at `sequence` and `at`."""
        async with self._reading:
            while self._since is None or at < self._since:
                await self._read(at)
        return self._recipients.get(sequence, set()) | self._own.get(sequence, set())

    async def _read(self, since: datetime) -> None:
        recipients: dict[int, set[str]] = {}
        forgotten = self._forgotten
        async with aclosing(self._bus.events.since(self._filter, since - _CLOCK_SKEW)) as events:
            async for stored in events:
                if final := recipients_of(stored.event):
                    recipients.setdefault(stored.event.sequence, set()).update(final)  # type: ignore[union-attr]
        if forgotten == self._forgotten:
            self._recipients, self._since = recipients, since
