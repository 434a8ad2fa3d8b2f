"""The scribe: each record of MAIL once into EVENTS, in MAIL's order, so that EVENTS alone has every ballot (ADR 17)."""

import asyncio
from datetime import UTC, datetime
from time import time

import msgspec

from varco_audit import metrics
from varco_audit.batches import Batches, BatchLimits
from varco_audit.names import NAME
from varco_common.base import log, subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.bus import Bus, StoredRecord
from varco_common.events import MailRecorded, RecordParked, decode_authenticated
from varco_common.events.audit import encode_recorded, recorded_sequence
from varco_common.mail.record import decode_record

RECORDS = subjects.mail("*", "*")
RECORDED = MailRecorded.subject_filter()
PARKED = RecordParked.subject_filter(NAME)

_RETRY_SECONDS = 0.5
_ALONE = 4  # so few are appended one after another: that costs less than a batch
_log = log.get(__name__)

EncodedEvent = tuple[str, bytes]  # an event's subject and its JSON


class MailRecorder:
    """`recorded` is the sequence in MAIL up to which all is in EVENTS. Several may run: an expectation lets one win."""

    def __init__(self, bus: Bus, limits: BatchLimits) -> None:
        self._bus = bus
        self._limits = limits
        self._last = 0  # the sequence in EVENTS of the last MailRecorded
        self.recorded = 0

    async def run(self) -> None:
        """For ever: from the last MailRecorded on, and from there again after whatever went wrong."""
        while True:
            try:
                await self._find_place()
                await self._follow()
            except ConflictError:
                _log.info("another scribe was faster: reading again where it is")
            except TransientError as error:
                _log.warning("records can't be written down at present", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _find_place(self) -> None:
        self._last, event = await self._bus.events.last(RECORDED)
        self.recorded = recorded_sequence(event) if event else 0
        _, event = await self._bus.events.last(PARKED)
        parked = decode_authenticated(PARKED, event) if event else None
        if isinstance(parked, RecordParked) and parked.stream == subjects.MAIL:
            self.recorded = max(self.recorded, parked.sequence)

    async def _follow(self) -> None:
        records = self._bus.mail.follow(RECORDS, after=self.recorded)
        async with Batches.of(records, self._limits, _size) as batches:
            async for batch in batches:
                await self._write(batch)

    async def _write(self, records: list[StoredRecord]) -> None:
        """In MAIL's order; what is no record is parked, and nothing behind it is written before that."""
        at = _stamp(time() * 1000)
        batch: list[EncodedEvent] = []
        for record in records:
            try:
                batch.append(_written(record, at))
            except msgspec.DecodeError as error:
                await self._append(batch)
                batch = []
                await self._bus.admin.park(subjects.MAIL, record.sequence, f"not a mail record: {error}")
        await self._append(batch)
        self.recorded = records[-1].sequence
        metrics.RECORDED.inc(len(records))
        metrics.UNRECORDED.set(records[-1].pending)
        metrics.RECORD_LAG.set(max(time() - records[-1].at / 1000, 0))

    async def _append(self, batch: list[EncodedEvent]) -> None:
        parts = [batch] if len(batch) > _ALONE else [[one] for one in batch]
        for part in filter(None, parts):
            self._last = await self._bus.events.append_encoded(part, expect=self._last, expect_subject=RECORDED)


def _written(record: StoredRecord, at: str) -> EncodedEvent:
    """Raises msgspec.DecodeError on what is no record: an event that nobody can read would help nobody."""
    decode_record(record.record)
    _, kind, account = record.subject.split(".")
    stored_at = _stamp(record.at)
    event = encode_recorded(at=at, sequence=record.sequence, kind=kind, stored_at=stored_at, record=record.record)
    return MailRecorded.subject_filter(account), event


def _size(record: StoredRecord) -> int:
    return len(record.record)


def _stamp(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
