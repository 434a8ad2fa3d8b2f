"""Appends a MailRecorded to EVENTS for each record of MAIL: once, and in MAIL's order (ADR 17)."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from time import time

import msgspec

from varco_audit import metrics
from varco_audit.batches import Batches, BatchLimits
from varco_audit.recording.recorded_position import RECORDED, RECORDS, recorded_position
from varco_common.base import subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus, StoredRecord
from varco_common.events import MailRecorded
from varco_common.events.audit import encode_recorded
from varco_common.mail.record import decode_record

LIMITS = BatchLimits(items=250)  # ADR 17 measures it; NATS takes 1,000 in an atomic batch

_SINGLE_APPENDS = 4  # up to this number, single appends cost less than an atomic batch

EncodedEvent = tuple[str, bytes]  # subject, JSON


class MailRecorder:
    """`recorded` is the sequence of MAIL up to which EVENTS has every record.

    Several processes may run one each: every append expects the last MailRecorded, so one wins.
    """

    def __init__(self, bus: Bus, limits: BatchLimits = LIMITS) -> None:
        self._bus = bus
        self._limits = limits
        self.follow: Callable[..., AsyncGenerator[StoredRecord, None]] = bus.mail.follow  # or that of a StreamFeed
        self._last_event = 0  # the last MailRecorded in EVENTS
        self.recorded = 0

    async def run(self) -> None:
        """Records for ever, and begins again at the last MailRecorded after any error."""
        retry_on = (ConflictError, TransientError)  # a conflict: another process was faster
        await retry_until_available(self._follow, "records can't be written to EVENTS", retry_on=retry_on)

    async def _follow(self) -> None:
        self._last_event, self.recorded = await recorded_position(self._bus)
        records = self.follow(RECORDS, after=self.recorded)
        async with Batches.of(records, self._limits, lambda record: len(record.record)) as batches:
            async for batch in batches:
                await self._record(batch)

    async def _record(self, records: Sequence[StoredRecord]) -> None:
        """Parks what is no record. Everything before it is appended first, to keep the order."""
        at = _timestamp(time() * 1000)
        events: list[EncodedEvent] = []
        for record in records:
            try:
                events.append(_encoded(record, at))
            except msgspec.DecodeError as error:
                await self._append(events)
                events = []
                await self._bus.admin.park(subjects.MAIL, record.sequence, f"not a mail record: {error}")
        await self._append(events)
        self.recorded = records[-1].sequence
        metrics.RECORDED.inc(len(records))
        metrics.UNRECORDED.set(records[-1].pending)
        metrics.RECORD_LAG.set(max(time() - records[-1].at / 1000, 0))

    async def _append(self, events: list[EncodedEvent]) -> None:
        batches = [events] if len(events) > _SINGLE_APPENDS else [[event] for event in events]
        for batch in batches:
            self._last_event = await self._bus.events.append_encoded(
                batch, expect=self._last_event, expect_subject=RECORDED
            )


def _encoded(record: StoredRecord, at: str) -> EncodedEvent:
    """Raises msgspec.DecodeError if it is no record: nobody could decode the event either."""
    decode_record(record.record)
    _, kind, account = record.subject.split(".")
    stored_at = _timestamp(record.at)
    event = encode_recorded(at=at, sequence=record.sequence, kind=kind, stored_at=stored_at, record=record.record)
    return MailRecorded.subject_filter(account), event


def _timestamp(milliseconds: float) -> str:
    """RFC 3339, of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
