"""Removes copies from mailboxes: first the event, then the index."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.copy_index import CopyIndex
from varco_archive.model import MAIL_HORIZON
from varco_common.base import log
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import CopyRemoved, RemovalCause

DELETION_BATCH = 500  # mails in one event: well below the bus's limit for a message
COPY_REMOVED = CopyRemoved.subject_filter()
_log = log.get(__name__)


class CopyDeletion:
    """`remove` is the only way in which a copy leaves a mailbox."""

    def __init__(self, bus: Bus, index: CopyIndex) -> None:
        self._bus, self._index = bus, index

    async def remove(
        self, account: str, mails: Sequence[str], cause: RemovalCause, *, by: str = "archive", reason: str = ""
    ) -> None:
        """Raises TransientError; some of the copies may be removed then."""
        for start in range(0, len(mails), DELETION_BATCH):
            batch = tuple(mails[start : start + DELETION_BATCH])
            event = CopyRemoved(at=datetime.now(UTC), account=account, by=by, reason=reason, mails=batch, cause=cause)
            sequence = await self._bus.events.append(event)
            await self._index.mark_removed(account, batch, sequence, collected=collected(event))
            metrics.REMOVED.labels(cause.value).inc(len(batch))

    async def catch_up(self) -> None:
        """Applies events that the index lacks, after a crash or the loss of the index."""
        after = await retry_until_available(lambda: self._index.mark("removals"))
        until = await retry_until_available(lambda: self._bus.events.last_sequence(COPY_REMOVED))
        if until <= after:
            return
        async with aclosing(self._bus.events.follow(COPY_REMOVED, after=after)) as events:
            async for stored in events:
                event = stored.event
                if isinstance(event, CopyRemoved) and datetime.now(UTC) - stored.at < MAIL_HORIZON:
                    await retry_until_available(lambda event=event, at=stored.sequence: self._apply(event, at))  # type: ignore[misc]
                if stored.sequence >= until:
                    break
        _log.info("index caught up with removed copies", after=after, until=until)

    async def _apply(self, event: CopyRemoved, sequence: int) -> None:
        await self._index.mark_removed(
            event.account, event.mails, sequence, insert_missing=True, collected=collected(event)
        )


def collected(event: CopyRemoved) -> datetime | None:
    """When a client took the copies; None if something else removed them."""
    return event.at if event.cause is RemovalCause.CLIENT else None
