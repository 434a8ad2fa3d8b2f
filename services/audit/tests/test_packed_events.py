"""What a search finds is read from audit's own tables, and is what EVENTS has."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from varco_audit.batches import BatchLimits
from varco_audit.index.event_index import EventIndex
from varco_audit.index.packed_events import LARGEST, PACK, PackedEvents, unpacked
from varco_audit.index.tables import packed_events
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import AuthCause, AuthFailed, CredentialAdded, MailDelivered, encode_event
from varco_common.storage import database
from varco_common.testing import nats_server
from varco_common.testing.waiting import eventually

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
HASH = "$argon2id$v=19$secret"


def failed(host: str = "192.0.2.1") -> AuthFailed:
    return AuthFailed(at=AT, host=host, login="x", cause=AuthCause.BROKEN_OFF)


def delivered(answer: str = "250 ok") -> MailDelivered:
    return MailDelivered(
        at=AT, account="acme", mail="m" * 20, sequence=1, recipients=("bob@x.example",), host="mx", answer=answer
    )


async def append_encoded(bus, events) -> int:
    batch = [(event.subject, encode_event(event)) for event in events]
    return await bus.events.append_encoded(batch, expect=0, expect_subject="events.bench.none.none")


@asynccontextmanager
async def audit_tables(bus, url, *, items: int = 10):
    """The index, the packed events and their reader, all of them up to date."""
    async with database.connect(url, "audit") as engine:
        await database.migrate(engine, "varco_audit")
        limits = BatchLimits(items, 1 << 20, 0.0)
        index, packed = EventIndex(bus, engine, limits), PackedEvents(bus, engine, limits)
        async with run_in_background(index.run(), packed.run()):
            last = await bus.events.last_sequence("events.>")
            async with asyncio.timeout(60):
                await index.wait_until_applied(last)
                await packed.wait_until_applied(last)
            yield engine, packed, EventReader(bus, index, EventSearch(index), packed, asyncio.Event())


async def found(reader, sequences) -> list[int]:
    return [raw.sequence for raw in await reader.fetch(sequences)]


async def are_found(reader, sequences, those) -> bool:
    return await found(reader, sequences) == [*those]


async def packs(engine) -> dict[int, list[int]]:
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(packed_events).order_by(packed_events.c.pack))).all()
    return {row.pack: [sequence for sequence, *_ in unpacked(row.events)] for row in rows}


async def test_on_each_database_events_are_found_while_the_bus_is_away(gate, database_url):
    await append_encoded(gate.bus, [failed(f"192.0.2.{number % 200}") for number in range(300)])
    async with audit_tables(gate.bus, database_url) as (_, _, reader):
        await gate.nats.stop()
        found, following = await reader.page(EventQuery(host="192.0.2.7"), newest_first=True)
    assert ([raw.sequence for raw in found], following) == ([208, 8], 0)


async def test_an_event_is_not_found_once_the_stream_has_it_no_longer(gate, sqlite_url):
    last = await append_encoded(gate.bus, [failed()] * (PACK + 6))
    async with audit_tables(gate.bus, sqlite_url) as (_, _, reader):
        first = await gate.expire(3)
        assert first == last - 2
        await eventually(lambda: are_found(reader, range(1, last + 1), range(first, last + 1)))


async def test_an_event_is_not_found_that_the_stream_never_had(gate, sqlite_url):
    """EVENTS was restored to an older state, and the tables were not."""
    await append_encoded(gate.bus, [failed()] * 9)
    async with (
        audit_tables(gate.bus, sqlite_url) as (engine, packed, _),
        nats_server() as older,
        Bus.connect(older.settings(), "test") as bus,
    ):
        await append_encoded(bus, [failed()] * 4)
        index = EventIndex(bus, engine)
        reader = EventReader(bus, index, EventSearch(index), packed, asyncio.Event())
        await eventually(lambda: are_found(reader, range(1, 10), range(1, 5)))


async def test_an_event_is_found_as_soon_as_it_is_there(gate, sqlite_url):
    await append_encoded(gate.bus, [failed()])
    async with audit_tables(gate.bus, sqlite_url) as (_, _, reader):
        assert await found(reader, [1, 2]) == [1]
        await append_encoded(gate.bus, [delivered()])
        assert await found(reader, [1, 2]) == [1, 2]


async def test_a_page_of_events_all_over_the_stream_takes_few_queries(gate, sqlite_url):
    await append_encoded(gate.bus, [failed("192.0.2.7" if not number % 70 else "x") for number in range(700)])
    async with audit_tables(gate.bus, sqlite_url, items=500) as (engine, _, reader):
        statements: list[str] = []
        sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        found, _ = await reader.page(EventQuery(host="192.0.2.7"))
    assert len(found) == 10
    assert len([text for text in statements if text.startswith("SELECT")]) == 2


async def test_on_each_database_what_is_found_is_what_events_has(gate, database_url):
    """Events of all kinds: one too large for the table, one with a secret, and one of nobody's."""
    for event in (
        failed(),
        CredentialAdded(at=AT, account="acme", login="a@acme.example", name="a", hash=HASH),
        delivered(),
    ):
        await gate.bus.events.append(event)
    await gate.bus.events.append(delivered("250 " + "x" * LARGEST))
    last = await gate.publish("events.policy.account-opened.acme", b"no event at all")
    stored = [await gate.bus.events.get(sequence) for sequence in range(1, last + 1)]
    async with audit_tables(gate.bus, database_url) as (engine, _, reader):
        found = await reader.fetch([*range(last + 1, 0, -1)])
        assert await packs(engine) == {0: [1, 3, 5]}
    assert [(raw[:4], raw.own) for raw in reversed(found)] == [(raw[:4], raw.own) for raw in stored]


async def test_no_secret_is_in_the_tables(gate, sqlite_url):
    await gate.bus.events.append(CredentialAdded(at=AT, account="acme", login="a@acme.example", name="a", hash=HASH))
    async with audit_tables(gate.bus, sqlite_url) as (engine, _, _):
        assert await packs(engine) == {}


async def test_on_each_database_a_row_grows_over_restarts_and_under_two_processes(gate, database_url):
    for count in (PACK // 2, PACK, 5):
        await append_encoded(gate.bus, [failed()] * count)
        async with audit_tables(gate.bus, database_url, items=7) as (engine, packed, _):
            other = PackedEvents(gate.bus, engine, BatchLimits(3, 1 << 20, 0.0))
            async with run_in_background(other.run()):
                last = await append_encoded(gate.bus, [failed()] * 10)
                await eventually(lambda last=last, one=packed, two=other: last in (one.applied, two.applied))
            found = await packs(engine)
    assert [sequence for sequences in found.values() for sequence in sequences] == [*range(1, last + 1)]
    assert all(sequence // PACK == pack for pack, sequences in found.items() for sequence in sequences)


@pytest.mark.parametrize("damaged", [b"", b"no row of ours"])
async def test_events_of_a_damaged_row_come_from_the_stream(gate, sqlite_url, damaged):
    await append_encoded(gate.bus, [failed()] * 3)
    async with audit_tables(gate.bus, sqlite_url) as (engine, _, reader):
        async with engine.begin() as connection:
            await connection.execute(packed_events.update().values(events=damaged))
        assert [raw.sequence for raw in await reader.fetch([1, 2, 3])] == [1, 2, 3]
