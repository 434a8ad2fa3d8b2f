"""What EVENTS has no longer, audit's tables for searching have no longer either."""

from datetime import UTC, datetime

import sqlalchemy as sa

from varco_audit.index import expiry
from varco_audit.index.packed_events import PACK
from varco_audit.index.tables import facts, metadata, packed_events
from varco_common.events import CopyForwarded, encode_event
from varco_common.storage import database
from varco_common.testing.waiting import eventually

from .test_search import indexed

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
COPIES = MAILS = 40
TABLES = [table for table in metadata.sorted_tables if table is not facts]


async def places(engine) -> dict[str, list[int]]:
    """Of each table the sequences in it; of packed events the last one that a row may have."""
    found = {}
    async with engine.connect() as connection:
        for table in TABLES:
            place = (table.c.pack + 1) * PACK - 1 if table is packed_events else table.c.sequence
            found[table.name] = [*await connection.scalars(sa.select(place).order_by(place))]
    return found


async def append_copies(gate, count: int) -> int:
    event = CopyForwarded(at=AT, account="acme", mail="m" * 20, copy="c" * 20, address="boss@acme.example")
    batch = [(event.subject, encode_event(event))] * count
    return await gate.bus.events.append_encoded(batch, expect=0, expect_subject="events.bench.none.none")


async def all_written(engine, last: int) -> bool:
    found = await places(engine)
    texts, in_texts = len(found["mail_texts"]), len(found["subjects"])
    return texts == in_texts == MAILS and found["events"][-1] >= last and len(found["packed_events"]) == 2


async def none_before(engine, first: int) -> bool:
    return all(sequence >= first for sequences in (await places(engine)).values() for sequence in sequences)


async def test_on_each_database_rows_of_expired_events_are_deleted_and_no_others(gate, database_url, monkeypatch):
    monkeypatch.setattr(expiry, "_ROWS", 7)  # several batches
    await append_copies(gate, COPIES)
    for number in range(MAILS):
        await gate.mail(f"bob{number % 3}@x.example", "ann@y.example")
    async with database.connect(database_url, "audit") as engine:
        async with gate.audit(database_url=database_url) as http:
            await indexed(gate, http)
            last = await append_copies(gate, 5)
            await eventually(lambda: all_written(engine, last))
        before = await places(engine)
        first = await gate.expire(15)
        assert PACK < first < last
        async with gate.audit(database_url=database_url):
            await eventually(lambda: none_before(engine, first))
            after = await places(engine)
    for table, sequences in before.items():
        kept = [one for one in after[table] if one in sequences]
        assert kept == [one for one in sequences if one >= first] != [], table
