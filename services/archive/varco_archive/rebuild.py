"""For `varco replay rebuild archive`: the index from MAIL, the settings from EVENTS."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_archive.account_senders import SENDERS
from varco_archive.copy_deletion import COPY_REMOVED
from varco_archive.copy_index import CopyIndex, CopyRow
from varco_archive.copy_indexer import DURABLE, KINDS, copy_row
from varco_archive.model import MAIL_HORIZON, PROJECTION, CopySettings
from varco_archive.settings import Settings
from varco_archive.tables import copies, marks
from varco_common.bus import Bus, StoredRecord
from varco_common.events import CopyRemoved
from varco_common.eventsourcing.rebuild.event_reader import read_events
from varco_common.eventsourcing.rebuild.mail_reader import read_records
from varco_common.eventsourcing.rebuild.rebuildable import (
    ComparedTable,
    FoldedProjection,
    RebuildableTables,
    RebuildSink,
    fold_events,
)
from varco_common.mail.record import MailAccepted, decode_record

REMOVALS = "removals"
_BATCH = 500
_NOT_COMPARED = "tombstones, and copies for forwarding only: MAIL and CopyForwarded settle those"


class CopiesRebuild(RebuildableTables):
    """The index of copies.

    `applied_sequence` reads the bus first: what is acknowledged there is in any later snapshot.
    """

    name = "copies"

    def __init__(self) -> None:
        self._removals = 0
        self._rows: list[CopyRow] = []
        self._forwarded: list[str] = []
        self._subjects: dict[int, str] = {}  # of mails to be converted, by sequence
        self._first = 0

    async def applied_sequence(self, bus: Bus, live: AsyncConnection) -> int:
        acknowledged = await bus.mail.acknowledged(DURABLE)
        self._removals = int(await live.scalar(sa.select(marks.c.value).where(marks.c.name == REMOVALS)) or 0)
        return acknowledged

    async def build(
        self, bus: Bus, fresh: AsyncEngine, until: int, on_progress: RebuildSink
    ) -> Sequence[ComparedTable]:
        index, settings = CopyIndex(fresh), await _all_settings(bus)
        async with aclosing(read_records(bus, *KINDS, until=until)) as records:
            async for record in records:
                self._take(record, settings)
                if len(self._rows) + len(self._forwarded) >= _BATCH:
                    await self._write(index)
                    on_progress(record.sequence)
        await self._write(index)
        async with aclosing(read_events(bus, COPY_REMOVED, until=self._removals)) as events:
            async for sequence, event in events:
                if isinstance(event, CopyRemoved) and datetime.now(UTC) - event.at < MAIL_HORIZON:
                    await index.mark_removed(event.account, event.mails, sequence, insert_missing=True)
        await index.set_mark(REMOVALS, self._removals)
        on_progress(until)
        return self._compared(until)

    def _take(self, record: StoredRecord, settings: dict[str, CopySettings]) -> None:
        at = datetime.fromtimestamp(record.at / 1000, UTC)
        self._first = self._first or record.sequence
        if datetime.now(UTC) - at > MAIL_HORIZON:
            return
        try:
            mail = decode_record(record.record)
        except msgspec.DecodeError:
            return  # a dead letter of the running service
        kind, envelope = record.subject.split(".", 2)[1], mail.envelope
        if kind == "copy":
            self._forwarded.append(envelope.id)
            return
        if kind == "convert" and isinstance(mail, MailAccepted):
            self._subjects[record.sequence] = mail.manifest.subject
        if row := copy_row(kind, mail, record.sequence, at, settings.get(envelope.account)):
            original = 0 if isinstance(mail, MailAccepted) else mail.original
            self._rows.append(row._replace(subject=row.subject or self._subjects.get(original, "")))

    async def _write(self, index: CopyIndex) -> None:
        if self._rows or self._forwarded:
            await index.add(self._rows, self._forwarded)
        self._rows, self._forwarded = [], []

    def _compared(self, until: int) -> list[ComparedTable]:
        before_first = copies.c.sequence < self._first if self._first != 1 else sa.false()
        return [
            ComparedTable(
                name="copies",
                table=copies,
                key=("mail",),
                where=sa.and_(copies.c.live, copies.c.sequence <= until),
                left_out=frozenset({"id", "forward"}),
                near=frozenset({"arrived_ms"}),
                beyond=sa.and_(copies.c.live, before_first),
                note=_NOT_COMPARED,
            ),
            ComparedTable(
                name="marks",
                table=marks,
                key=("name",),
                where=sa.false(),
                beyond=marks.c.name.not_in(["begun", REMOVALS]),
                note="progress through the events: taken over",
            ),
        ]


async def _all_settings(bus: Bus) -> dict[str, CopySettings]:
    """The settings of now, which contain what held at any earlier time."""
    return (await fold_events(bus, PROJECTION, await bus.events.last_sequence(*PROJECTION.filters))).states


SETTINGS = Settings
PROJECTIONS = (CopiesRebuild(), FoldedProjection(PROJECTION), FoldedProjection(SENDERS))
