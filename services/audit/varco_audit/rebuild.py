"""What audit projects: built anew by `varco replay rebuild audit`. The index is made of EVENTS alone."""

from collections.abc import Sequence
from contextlib import aclosing

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit.batches import BatchLimits
from varco_audit.dead_letters import model
from varco_audit.index.event_index import PROJECTION, EventIndex
from varco_audit.index.index_fields import IndexRow, index_row
from varco_audit.index.indexer import EVERYTHING
from varco_audit.index.tables import events, facts, others, recipients
from varco_audit.reconciliation import counts, store
from varco_audit.reconciliation.tables import hourly_counts, outstanding_mails
from varco_audit.settings import Settings
from varco_common.bus import Bus, RawEvent
from varco_common.eventsourcing.rebuild.projected import ComparedTable, FoldedProjection, RebuildSink, stand_of

_AT_ONCE = 2_000


class RebuildableIndex:
    """The index of all events."""

    name = PROJECTION

    async def stands(self, bus: Bus, live: AsyncConnection) -> int:  # noqa: ARG002 - the table says it
        return await stand_of(live, PROJECTION)

    async def build(self, bus: Bus, fresh: AsyncEngine, stand: int, told: RebuildSink) -> Sequence[ComparedTable]:
        index, rows = EventIndex(fresh), list[IndexRow]()
        await index.open()
        async with aclosing(bus.events.follow_raw(EVERYTHING)) as found:
            while index.applied < stand:
                rows.append(index_row(await anext(found)))
                if len(rows) >= _AT_ONCE or rows[-1].sequence >= stand:
                    await index.add(rows)
                    told(rows[-1].sequence)
                    rows = []
        return [
            ComparedTable(name="events", table=events, key=("sequence",)),
            ComparedTable(name="facts", table=facts, key=("id",)),
            ComparedTable(name="recipients", table=recipients, key=("address", "sequence")),
            ComparedTable(name="others", table=others, key=("id", "sequence")),
        ]


class RebuildableBalance:
    """The balance."""

    name = store.PROJECTION

    async def stands(self, bus: Bus, live: AsyncConnection) -> int:  # noqa: ARG002 - the table says it
        return await stand_of(live, store.PROJECTION)

    async def build(self, bus: Bus, fresh: AsyncEngine, stand: int, told: RebuildSink) -> Sequence[ComparedTable]:
        kept, batch = store.BalanceStore(bus, fresh, BatchLimits(_AT_ONCE, 0, 0)), list[RawEvent]()
        await kept.open()
        async with aclosing(bus.events.follow_raw(*counts.FILTERS)) as found:
            while kept.applied < stand:
                batch.append(await anext(found))
                if len(batch) >= _AT_ONCE or batch[-1].sequence >= stand:
                    await kept.add(batch)
                    told(batch[-1].sequence)
                    batch = []
        return [
            ComparedTable(name="balance_hours", table=hourly_counts, key=("account", "hour", "kind")),
            ComparedTable(name="balance_debts", table=outstanding_mails, key=("mail",)),
        ]


SETTINGS = Settings
PROJECTIONS = (RebuildableIndex(), RebuildableBalance(), FoldedProjection(model.DEAD_LETTERS))
