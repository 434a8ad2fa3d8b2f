"""The index of events as it is written."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit import metrics
from varco_audit.batches import BatchLimits
from varco_audit.index.index_fields import IndexFields, IndexRow, index_row
from varco_audit.index.tables import events, facts, others, recipients
from varco_audit.table_projection import ALL_EVENTS, TableProjection
from varco_common.bus import Bus, StreamMessage

LIMITS = BatchLimits()


class EventIndex(TableProjection):
    """A row for each event. `facts` has the number of each (service, fact) that occurs in it."""

    NAME = "events"
    FILTERS = (ALL_EVENTS,)

    def __init__(self, bus: Bus, engine: AsyncEngine, limits: BatchLimits = LIMITS) -> None:
        super().__init__(bus, engine, limits)
        self.facts: dict[tuple[str, str], int] = {}

    async def load(self, connection: AsyncConnection) -> None:
        self.facts = {(service, fact): number for number, service, fact in await connection.execute(sa.select(facts))}

    async def write(self, connection: AsyncConnection, raws: Sequence[StreamMessage]) -> None:
        rows = [index_row(raw) for raw in raws]
        new = self._new_facts(rows)
        self.facts |= new  # a transaction that fails is followed by `load`
        for table, values in (
            (facts, [{"id": number, "service": service, "fact": fact} for (service, fact), number in new.items()]),
            (events, [self._values(row) for row in rows]),
            (
                recipients,
                [{"address": address, "sequence": row.sequence} for row in rows for address in row.fields.recipients],
            ),
            (others, [{"id": other, "sequence": row.sequence} for row in rows for other in {*row.fields.others}]),
        ):
            if values:
                await connection.execute(table.insert(), values)

    def written(self, raws: Sequence[StreamMessage]) -> None:
        metrics.INDEXED.inc(len(raws))

    def _new_facts(self, rows: Sequence[IndexRow]) -> dict[tuple[str, str], int]:
        occurring = dict.fromkeys((row.service, row.fact) for row in rows)
        new = [fact for fact in occurring if fact not in self.facts]
        return {fact: number for number, fact in enumerate(new, len(self.facts) + 1)}

    def _values(self, row: IndexRow) -> dict[str, Any]:
        columns = (name for name in IndexFields._fields if name in events.c)
        return {
            "sequence": row.sequence,
            "at_ms": row.at_ms,
            "fact": self.facts[row.service, row.fact],
            **{name: getattr(row.fields, name) or None for name in columns},
        }
