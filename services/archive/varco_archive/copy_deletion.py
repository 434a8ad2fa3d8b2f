"""Takes copies out of mailboxes: first the fact, then the index; what the index missed is made up for at the start."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.copy_index import CopyIndex
from varco_archive.model import MAIL_HORIZON
from varco_common.base import log, subjects
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import CopyRemoved, RemovalCause

DELETION_BATCH = 500  # mails in one event
COPY_REMOVED = subjects.event("archive", "copy-removed", "*")
_log = log.get(__name__)


class CopyDeletion:
    """`remove` is the one way by which a copy leaves a mailbox."""

    def __init__(self, bus: Bus, index: CopyIndex) -> None:
        self._bus, self._index = bus, index

    async def remove(
        self, account: str, mails: Sequence[str], cause: RemovalCause, *, by: str = "archive", reason: str = ""
    ) -> None:
        """Raises TransientError; a part may be removed then, and the rest not."""
        for start in range(0, len(mails), DELETION_BATCH):
            part = tuple(mails[start : start + DELETION_BATCH])
            event = CopyRemoved(at=datetime.now(UTC), account=account, by=by, reason=reason, mails=part, cause=cause)
            await self._index.bury(account, part, await self._bus.events.append(event))
            metrics.REMOVED.labels(cause.value).inc(len(part))

    async def catch_up(self) -> None:
        """Applies what was said and isn't in the index: a crash stood between the two, or the index is a new one."""
        after = await retry_until_available(lambda: self._index.mark("removals"))
        until = await retry_until_available(lambda: self._bus.events.last_sequence(COPY_REMOVED))
        if until <= after:
            return
        async with aclosing(self._bus.events.follow(COPY_REMOVED, after=after)) as events:
            async for stored in events:
                event = stored.event
                if isinstance(event, CopyRemoved) and datetime.now(UTC) - stored.at < MAIL_HORIZON:
                    await retry_until_available(lambda event=event, at=stored.sequence: self._bury(event, at))  # type: ignore[misc]
                if stored.sequence >= until:
                    break
        _log.info("removals made up for", after=after, until=until)

    async def _bury(self, event: CopyRemoved, sequence: int) -> None:
        await self._index.bury(event.account, event.mails, sequence, unseen=True)
