"""Reads every record that MAIL ever had, in order.

From EVENTS, where audit recorded it, then from MAIL itself.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from varco_common.base import subjects
from varco_common.bus import Bus, StoredRecord
from varco_common.events import MailRecorded
from varco_common.eventsourcing.rebuild.event_reader import read_events
from varco_common.mail.record import encode_record

_RECORDED = MailRecorded.subject_filter()


async def read_records(bus: Bus, *kinds: str, until: int) -> AsyncGenerator[StoredRecord, None]:
    """The records of these kinds up to sequence `until` of MAIL, without bodies."""
    after = 0
    async with aclosing(_recorded_events(bus)) as events:
        async for event in events:
            if event.sequence > until:
                break
            after = event.sequence
            if event.kind in kinds:
                yield _stored_record(event)
    filters = [subjects.mail(kind, "*") for kind in kinds]
    if (last := min(await bus.mail.last_sequence(*filters), until)) <= after:
        return
    async with aclosing(bus.mail.follow(*filters, after=after, name="rebuild")) as records:
        async for record in records:
            if record.sequence <= until:
                yield record
            if record.sequence >= last:
                return


async def _recorded_events(bus: Bus) -> AsyncGenerator[MailRecorded, None]:
    async with aclosing(read_events(bus, _RECORDED, until=await bus.events.last_sequence(_RECORDED))) as events:
        async for _, event in events:
            if isinstance(event, MailRecorded):
                yield event


def _stored_record(event: MailRecorded) -> StoredRecord:
    account = subjects.token(event.record.envelope.account)
    return StoredRecord(
        event.sequence,
        round(event.stored_at.timestamp() * 1000),
        encode_record(event.record).encode(),
        subjects.mail(event.kind, account),
        0,
    )
