"""Measures searches in a history that is several times that of a home.

`python -m bench.large_index --home DIR [--times 10]` takes the home that `bench.console_pages
--home DIR` prepared, multiplies the rows that the four searches use (not EVENTS: what is found is
in audit's tables), and prints the table of docs/performance.md.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Annotated

import typer
import uvloop

from bench.audit_index import PAGE, QUESTIONS, step
from varco_audit.batches import BatchLimits
from varco_audit.index.event_index import EventIndex
from varco_audit.index.packed_events import PACK, PackedEvents, packed, unpacked
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_common.bus import Bus
from varco_common.storage import database
from varco_common.testing import nats_server

_COLUMNS = "at_ms, fact, account, {mail}, {message_id}, sender, host, login"
_INDEXES = ("events_mail", "events_message_id", "events_sender")


def main(
    home: Annotated[Path, typer.Option(help="with var/data/audit.sqlite, which has packed_events")],
    times: Annotated[int, typer.Option(help="how often each event is there")] = 10,
    folder: Annotated[Path | None, typer.Option(help="for the large file; it is kept there")] = None,
) -> None:
    """Prints a Markdown table."""
    source = home / "var" / "data" / "audit.sqlite"
    with tempfile.TemporaryDirectory(prefix="varco-bench-", dir=folder) as made:
        large = (folder or Path(made)) / "large.sqlite"
        if not large.exists():
            began = time.perf_counter()
            asyncio.run(_create(large))
            _multiply(source, large, times)
            step(f"made in {time.perf_counter() - began:.0f} s: {large.stat().st_size / 1e6:,.0f} MB")
        uvloop.run(_measure(large))


async def _create(large: Path) -> None:
    async with database.connect(f"sqlite+aiosqlite:///{large}", "audit") as engine:
        await database.migrate(engine, "varco_audit")


async def _measure(large: Path) -> None:
    async with (
        database.connect(f"sqlite+aiosqlite:///{large}", "audit") as engine,
        nats_server() as nats,
        Bus.connect(nats.settings(), "bench") as bus,
    ):
        index, tables = EventIndex(bus, engine), PackedEvents(bus, engine, BatchLimits())
        reader = EventReader(bus, index, EventSearch(index), tables, asyncio.Event())
        print("| asked for | median, ms | 95 %, ms | slowest, ms | events found |\n| --- | ---: | ---: | ---: | ---: |")
        for name, wanted in _questions(large).items():
            await _ask(reader, name, wanted)


async def _ask(reader: EventReader, name: str, wanted: Callable[[], EventQuery]) -> None:
    took, found = [], 0
    for _ in range(QUESTIONS):
        query, began = wanted(), time.perf_counter()
        page, _ = await reader.page(query, newest_first=True, limit=PAGE)
        took.append((time.perf_counter() - began) * 1e3)
        found += len(page)
    late = statistics.quantiles(took, n=20)[-1]
    print(
        f"| {name} | {statistics.median(took):.1f} | {late:.1f} | {max(took):.1f} | {found / QUESTIONS:.0f} |",
        flush=True,
    )


def _multiply(source: Path, large: Path, times: int) -> None:
    connection = sqlite3.connect(f"file:{large}", uri=True)
    connection.execute("ATTACH ? AS old", (f"file:{source}?mode=ro",))
    connection.executescript(
        "PRAGMA main.journal_mode = OFF; PRAGMA main.synchronous = OFF; PRAGMA main.cache_size = -200000;"
    )
    indexes = dict(connection.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND sql NOT NULL"))
    for name in indexes:
        connection.execute(f"DROP INDEX main.{name}")
    [[last]] = connection.execute("SELECT max(sequence) FROM old.events")
    offsets = [number * (last // PACK + 1) * PACK for number in range(times)]
    for number, offset in enumerate(offsets):
        own = {name: f"substr('{number}', 1, 1) || substr({name}, 2)" for name in ("mail", "message_id")}
        columns = _COLUMNS.format(**own)
        connection.execute(f"INSERT INTO main.events SELECT sequence + ?, {columns} FROM old.events", (offset,))
        for pack, row in connection.execute("SELECT pack, events FROM old.packed_events"):
            moved = packed([(event[0] + offset, *event[1:]) for event in unpacked(row)])
            connection.execute("INSERT INTO main.packed_events VALUES (?, ?)", (pack + offset // PACK, moved))
        step(f"{number + 1} of {times}")
    values = ", ".join(f"({offset})" for offset in offsets)
    connection.execute(
        f"WITH part(at) AS (VALUES {values}) INSERT INTO main.recipients"
        " SELECT address, sequence + at FROM old.recipients, part ORDER BY 1, 2"
    )
    for name in _INDEXES:
        connection.execute(indexes[name])
    connection.commit()
    connection.close()


def _questions(large: Path) -> dict[str, Callable[[], EventQuery]]:
    random, connection = Random(7), sqlite3.connect(f"file:{large}?mode=ro", uri=True)
    [[last]] = connection.execute("SELECT max(sequence) FROM events")
    query = "SELECT sequence, mail, message_id, sender FROM events WHERE sequence >= ? AND message_id NOT NULL LIMIT 1"
    known = [connection.execute(query, (random.randrange(last - 1_000),)).fetchone() for _ in range(1_000)]
    addresses = "SELECT address FROM recipients WHERE address >= ? LIMIT 1"
    recipients = [connection.execute(addresses, (f"person{random.randrange(200_000)}",)).fetchone()[0] for _ in known]
    connection.close()
    return {
        "mail id": lambda: EventQuery(mail=random.choice(known)[1]),
        "Message-ID": lambda: EventQuery(message_id=random.choice(known)[2]),
        "recipient": lambda: EventQuery(recipient=random.choice(recipients)),
        "sender": lambda: EventQuery(sender=random.choice(known)[3]),
    }


if __name__ == "__main__":
    typer.run(main)
