"""When a client last collected each mailbox: to the moment in the index, to the hour in EVENTS."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from cachetools import TTLCache

from varco_archive.copy_index import CopyIndex
from varco_archive.copy_indexer import BEGUN
from varco_archive.model import MAIL_HORIZON
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import MailboxCollected

RECORDED_EVERY = timedelta(hours=1)
MAILBOX_COLLECTED = MailboxCollected.subject_filter()
_REMEMBERED = 10_000  # mailboxes; one that is forgotten is only recorded again
_log = log.get(__name__)


class Collections:
    """A client that leaves mail on the server collects it, too.

    The events are for an index that is lost. `append` stores one in the background.
    """

    def __init__(self, bus: Bus, index: CopyIndex, append: Callable[[MailboxCollected], None]) -> None:
        self._bus, self._index, self._append = bus, index, append
        self._recorded: TTLCache[str, None] = TTLCache(_REMEMBERED, RECORDED_EVERY.total_seconds())

    async def note(self, account: str, host: str) -> None:
        """A session has just collected the mailbox. It ends well, even if that can't be stored."""
        event = MailboxCollected(at=datetime.now(UTC), account=account, by=f"pop3:{host}")
        if account not in self._recorded:
            self._recorded[account] = None
            self._append(event)
        try:
            await self._index.set_collected(account, event.at)
        except TransientError as error:
            _log.warning("when a mailbox was collected is not stored", account=account, error=str(error))

    async def catch_up(self) -> None:
        """Tells an index that was just made what the events of the last weeks say."""
        if not await retry_until_available(lambda: self._index.mark(BEGUN)):
            await retry_until_available(self._read_events)

    async def _read_events(self) -> None:
        collected: dict[str, datetime] = {}
        async with aclosing(self._bus.events.since(MAILBOX_COLLECTED, datetime.now(UTC) - MAIL_HORIZON)) as events:
            async for stored in events:
                if isinstance(stored.event, MailboxCollected):
                    collected[stored.event.account] = stored.event.at
        for account, at in collected.items():
            await self._index.set_collected(account, at)
