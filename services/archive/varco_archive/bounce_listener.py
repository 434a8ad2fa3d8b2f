"""Notices forwarded copies that relay did not deliver, and appends CopyBounced.

Nobody gets a bounce message: the sender does not know of the copy.
"""

from contextlib import aclosing
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.copy_index import CopyIndex
from varco_common.base import log
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import CopyBounced, MailBounced, MailDropped, MailExpired

RELAY_FAILURES = tuple(kind.subject_filter() for kind in (MailBounced, MailExpired, MailDropped))
_MARK = "fates"  # the last event that was looked at
_log = log.get(__name__)


async def append_bounced(bus: Bus, account: str, mail: str, copy: str, *, address: str, answer: str) -> None:
    """Appends the event; `copy` is empty where no copy could be made.

    A mail has one such event at most.
    """
    event = CopyBounced(
        at=datetime.now(UTC), account=account, by="archive", mail=mail, copy=copy, address=address, answer=answer
    )
    await bus.events.append(event, once=f"{mail}.copy.bounced")
    metrics.BOUNCED.inc()
    _log.warning("a copy bounced", account=account, mail=mail, address=address, answer=answer)


async def listen(bus: Bus, index: CopyIndex) -> None:
    """Follows relay's failures until cancelled."""
    after = await retry_until_available(lambda: index.mark(_MARK))
    if not after:
        newest = await retry_until_available(lambda: bus.events.last_sequence(*RELAY_FAILURES))
        after = max(newest, 1)  # 0 would read as never set, and the first event of all is no failure
        await retry_until_available(lambda: index.set_mark(_MARK, after))
    async with aclosing(bus.events.follow(*RELAY_FAILURES, after=after)) as events:
        async for stored in events:
            if isinstance(event := stored.event, MailBounced | MailExpired | MailDropped):
                await retry_until_available(lambda event=event, at=stored.sequence: _apply(bus, index, event, at))  # type: ignore[misc]


async def _apply(bus: Bus, index: CopyIndex, event: MailBounced | MailExpired | MailDropped, sequence: int) -> None:
    if original := (await index.originals([event.mail])).get(event.mail):
        mail, address = original
        await append_bounced(bus, event.account, mail, event.mail, address=address, answer=_answer(event))
    await index.set_mark(_MARK, sequence)


def _answer(event: MailBounced | MailExpired | MailDropped) -> str:
    if isinstance(event, MailDropped):
        return f"dropped by {event.by}: {event.reason}"
    return event.failures[-1].answer if event.failures else ""
