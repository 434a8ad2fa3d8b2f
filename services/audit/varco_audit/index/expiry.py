"""Deletes what audit's tables for searching have of events that EVENTS has no longer."""

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_audit.index.packed_events import PACK
from varco_audit.index.tables import events, mail_texts, others, packed_events, recipients, subjects
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.tasks import retry_until_available, uncancellable
from varco_common.bus import Bus
from varco_common.storage.database.table_access import TableAccess

PAUSE_SECONDS = 86_400.0  # a day more or less is nothing beside ten years
_ROWS = 1_000  # in one transaction: those who write to the tables wait for it

_log = log.get(__name__)


async def delete_expired_rows(bus: Bus, engine: AsyncEngine, pause: float = PAUSE_SECONDS) -> None:
    """Deletes them at the start, and again after each `pause` (seconds), until cancelled.

    Several processes may do so at once. While the database is away, the next time does it.
    """
    while True:
        first, _ = await retry_until_available(bus.events.bounds)
        try:
            if first > 1 and (count := await delete_rows_before(engine, first)):
                _log.info("rows of expired events deleted", count=count, first=first)
        except TransientError as error:
            _log.warning("rows of expired events can't be deleted now", error=str(error))
        await asyncio.sleep(pause)


async def delete_rows_before(engine: AsyncEngine, first: int) -> int:
    """Deletes the rows of all events before the sequence `first`; returns how many.

    A row with several events goes with the last of them. Raises TransientError.
    """
    access = TableAccess(engine)
    count = await _delete(access, packed_events, packed_events.c.pack < first // PACK)
    for table in (mail_texts, subjects, recipients, others, events):
        count += await _delete(access, table, table.c.sequence < first)
    return count


async def _delete(access: TableAccess, table: sa.Table, expired: sa.ColumnElement[bool]) -> int:
    """In the order of the primary key, so that each row is looked at once.

    For addresses no index knows the oldest: they are searched by a reader, who locks nobody out.
    """
    key = [*table.primary_key.columns]
    place = sa.tuple_(*key)
    ordered = sa.select(*key).where(expired).order_by(*key).limit(_ROWS)
    this_row = sa.and_(*(column == sa.bindparam(f"of_{column.name}") for column in key))
    query, count = ordered, 0
    while rows := await access.read(query):
        values = [{f"of_{column.name}": value for column, value in zip(key, row, strict=True)} for row in rows]
        await uncancellable(_execute(access, sa.delete(table).where(this_row), values))
        query, count = ordered.where(place > sa.tuple_(*rows[-1])), count + len(rows)
    return count


async def _execute(access: TableAccess, statement: sa.Delete, values: list[dict[str, Any]]) -> None:
    async with access.transaction() as connection:
        await connection.execute(statement, values)
