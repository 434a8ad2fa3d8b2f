"""What audit projects: built anew by `varco replay rebuild audit`. The index is made of EVENTS alone."""

from collections.abc import Sequence
from contextlib import aclosing

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit import letters
from varco_audit.balance import ledger, sheet
from varco_audit.balance.tables import debts, hours
from varco_audit.batches import Limits
from varco_audit.columns import Row, row
from varco_audit.index import PROJECTION, Index
from varco_audit.indexer import EVERYTHING
from varco_audit.settings import Settings
from varco_audit.tables import events, facts, others, recipients
from varco_common.bus import Bus, RawEvent
from varco_common.eventsourcing.rebuild.projected import ComparedTable, FoldedProjection, RebuildSink, stand_of

_AT_ONCE = 2_000


class Indexed:
    """The index of all events."""

    name = PROJECTION

    async def stands(self, bus: Bus, live: AsyncConnection) -> int:  # noqa: ARG002 - the table says it
        return await stand_of(live, PROJECTION)

    async def build(self, bus: Bus, fresh: AsyncEngine, stand: int, told: RebuildSink) -> Sequence[ComparedTable]:
        index, rows = Index(fresh), list[Row]()
        await index.open()
        async with aclosing(bus.events.follow_raw(EVERYTHING)) as found:
            while index.applied < stand:
                rows.append(row(await anext(found)))
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


class Balanced:
    """The balance."""

    name = ledger.PROJECTION

    async def stands(self, bus: Bus, live: AsyncConnection) -> int:  # noqa: ARG002 - the table says it
        return await stand_of(live, ledger.PROJECTION)

    async def build(self, bus: Bus, fresh: AsyncEngine, stand: int, told: RebuildSink) -> Sequence[ComparedTable]:
        kept, batch = ledger.Ledger(bus, fresh, Limits(_AT_ONCE, 0, 0)), list[RawEvent]()
        await kept.open()
        async with aclosing(bus.events.follow_raw(*sheet.FILTERS)) as found:
            while kept.applied < stand:
                batch.append(await anext(found))
                if len(batch) >= _AT_ONCE or batch[-1].sequence >= stand:
                    await kept.add(batch)
                    told(batch[-1].sequence)
                    batch = []
        return [
            ComparedTable(name="balance_hours", table=hours, key=("account", "hour", "kind")),
            ComparedTable(name="balance_debts", table=debts, key=("mail",)),
        ]


SETTINGS = Settings
PROJECTIONS = (Indexed(), Balanced(), FoldedProjection(letters.FOLD))
