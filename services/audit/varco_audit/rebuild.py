"""What `varco replay rebuild audit` builds anew: all of it from EVENTS alone."""

from collections.abc import Sequence
from contextlib import aclosing

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_audit.batches import BatchLimits
from varco_audit.dead_letters import model
from varco_audit.index.event_index import EventIndex
from varco_audit.index.mail_texts import MailTexts
from varco_audit.index.packed_events import PackedEvents, unpacked
from varco_audit.index.subject_index import SubjectIndex
from varco_audit.index.tables import events, facts, mail_texts, others, packed_events, recipients, subjects
from varco_audit.reconciliation.store import BalanceStore
from varco_audit.reconciliation.tables import hourly_counts, outstanding_mails
from varco_audit.settings import Settings
from varco_audit.table_projection import TableProjection
from varco_common.bus import Bus, StreamMessage
from varco_common.eventsourcing.rebuild.rebuildable import (
    ComparedTable,
    FoldedProjection,
    RebuildableTables,
    RebuildSink,
)

_BATCH = 2_000  # events in one transaction


class RebuildableProjection(RebuildableTables):
    """The tables of one TableProjection."""

    def __init__(self, projection: type[TableProjection], *tables: ComparedTable) -> None:
        self.name = projection.NAME
        self._projection, self._tables = projection, tables

    async def build(
        self, bus: Bus, fresh: AsyncEngine, until: int, on_progress: RebuildSink
    ) -> Sequence[ComparedTable]:
        projection = self._projection(bus, fresh, BatchLimits())
        await projection.open()
        batch: list[StreamMessage] = []
        async with aclosing(bus.events.follow_raw(*projection.FILTERS)) as raws:
            while projection.applied < until:
                batch.append(await anext(raws))
                if len(batch) >= _BATCH or batch[-1].sequence >= until:
                    await projection.apply(batch)
                    on_progress(projection.applied)
                    batch = []
        return self._tables


SETTINGS = Settings
PROJECTIONS = (
    RebuildableProjection(
        EventIndex,
        ComparedTable(name="events", table=events, key=("sequence",)),
        ComparedTable(name="facts", table=facts, key=("id",)),
        ComparedTable(name="recipients", table=recipients, key=("address", "sequence")),
        ComparedTable(name="others", table=others, key=("id", "sequence")),
    ),
    RebuildableProjection(
        PackedEvents,
        ComparedTable(name="packed_events", table=packed_events, key=("pack",), shown={"events": unpacked}),
    ),
    RebuildableProjection(SubjectIndex, ComparedTable(name="subjects", table=subjects, key=("sequence",))),
    RebuildableProjection(MailTexts, ComparedTable(name="mail_texts", table=mail_texts, key=("sequence",))),
    RebuildableProjection(
        BalanceStore,
        ComparedTable(name="balance_hours", table=hourly_counts, key=("account", "hour", "kind")),
        ComparedTable(name="balance_debts", table=outstanding_mails, key=("mail",)),
    ),
    FoldedProjection(model.DEAD_LETTERS),
)
