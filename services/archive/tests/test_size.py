"""Many mails, large mails, many at once: what a mailbox costs, and how far the index lags."""

import asyncio
import time
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from varco_archive.copy_index import CopyIndex, CopyQuery, CopyRow
from varco_archive.pop3.maildrop import Maildrop, open_maildrop
from varco_common.base.ids import new_id
from varco_common.mail.wire_form import DotCounter
from varco_common.storage import database
from varco_common.storage.object_store import ObjectStore

from .conftest import LOGIN, PASSWORD, copies, switch_on

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def row(number: int, account: str = "acme") -> CopyRow:
    return CopyRow(
        account=account,
        mail=f"{number:020}",
        sequence=number,
        arrived=AT + timedelta(seconds=number),
        size=number % 7 + 1,
        live=True,
        address="",
        copy="",
        sender="alice@acme.example",
        recipients=("bob@x.example",),
        subject=f"number {number}",
    )


@pytest.fixture
async def index(database_url):
    async with database.connect(database_url, "archive") as engine:
        await database.migrate(engine, "varco_archive")
        yield CopyIndex(engine)


async def test_the_index_is_the_same_on_every_database(index):
    await index.add([row(number) for number in range(1, 11)] + [row(11, "other")], [])
    await index.add([row(3), row(12)], [])  # the third came again
    box = await open_maildrop(index, "acme")
    assert (box.count, box.octets) == (11, sum(row(n).size for n in (*range(1, 11), 12)))
    await index.add([row(13)], [])
    assert [entry.sequence async for _, entry in box.entries()] == [*range(1, 11), 12]
    await index.mark_removed("acme", [row(1).mail, row(99).mail], 7, insert_missing=True)
    await index.add([row(99)], [])
    assert await index.mark("removals") == 7
    assert (await index.totals("acme")).copies == 11
    found = await index.search("acme", CopyQuery(subject="NUMBER 1"), after=0, limit=10)
    assert [one.subject for one in found] == ["number 10", "number 12", "number 13"]
    assert await index.expired("acme", AT + timedelta(seconds=4), 10) == [row(2).mail, row(3).mail]
    assert await index.accounts() in (["acme", "other"], ["other", "acme"])
    await index.delete_tombstones(AT + timedelta(days=1))
    assert (await index.totals("acme")).copies == 11


async def test_what_is_owed_is_forwarded_once_on_every_database(index):
    await index.add([row(1)._replace(live=False, address="boss@acme.example", copy="c1")], [])
    await index.add([row(2)._replace(address="boss@acme.example", copy="c2")], [])
    first, second = await index.owed(10)
    assert (first.copy, first.address, second.copy) == ("c1", "boss@acme.example", "c2")
    await index.set_forwarded(first.id)
    await index.add([], ["c2", "c3"])  # seen in the stream
    assert await index.owed(10) == []
    assert await index.originals(["c1", "c9"]) == {"c1": (row(1).mail, "boss@acme.example")}


async def walked(box: Maildrop, most: int) -> int:
    """How many were seen; every other one is deleted."""
    count = 0
    async for number, entry in box.entries():
        count += 1
        if number % 2:
            box.mark_deleted(number, entry)
        if count == most:
            break
    return count


async def test_a_mailbox_of_100000_opens_in_under_a_second_and_costs_a_page(sqlite_url):
    async with database.connect(sqlite_url, "archive") as engine:
        await database.migrate(engine, "varco_archive")
        index = CopyIndex(engine)
        for start in range(0, 100_000, 10_000):
            await index.add([row(number) for number in range(start, start + 10_000)], [])
        began = time.perf_counter()
        box = await open_maildrop(index, "acme")
        assert time.perf_counter() - began < 1.0
        assert box.count == 100_000
        tracemalloc.start()
        count = await walked(box, 5_000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1_000_000
        assert await walked(box, 100_000) == 100_000 - count // 2
        last = await box.entry(100_000)
        assert last
        assert last.sequence == 99_999
        assert sum([len(mails) async for mails in box.marked()]) == 100_000 - box.count


LARGE = 100_000_000  # octets
PIECE = b"..dots\r\n" + (b"x" * 76 + b"\r\n") * 13_000


async def stored(blobs: ObjectStore, size: int) -> tuple[str, int]:
    """A large body, made as it is written: its name and size."""
    key, written = new_id(), 0
    upload = blobs.upload(key)
    await upload.write(b"Subject: large\r\n\r\n")
    while written < size:
        await upload.write(PIECE)
        written += len(PIECE)
    await upload.finish()
    return key, written + len(b"Subject: large\r\n\r\n")


async def retrieved(gate, number: int) -> int:
    """Reads one mail to its final dot without keeping it; returns its octets."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", gate.pop3s, ssl=gate.trusting, server_hostname="localhost"
    )
    try:
        for line in (f"USER {LOGIN}", f"PASS {PASSWORD}"):
            writer.write(f"{line}\r\n".encode())
        writer.write(f"RETR {number}\r\n".encode())
        for _ in range(3):  # the greeting, USER, PASS
            assert (await reader.readline()).startswith(b"+OK")
        octets = int((await reader.readline()).split()[1])
        got, tail, dots = 0, b"", DotCounter()
        while not tail.endswith(b"\r\n.\r\n"):
            chunk = await reader.read(1 << 18)
            assert chunk
            got += len(chunk)
            dots.feed(chunk)
            tail = (tail + chunk)[-5:]
        doubled = dots.dots - 1  # the last one ends the mail
        assert got == octets + doubled + len(b".\r\n")
        writer.write(b"QUIT\r\n")
        return octets
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_mail_of_100_mb_streams(gate, bodies):
    """What the process takes at most grows by some chunks, not by the mail."""
    key, size = await stored(bodies, LARGE)
    async with gate.process() as process, gate.client() as http:
        await switch_on(http)
        await gate.mail()
        await gate.mail(mail=key, stored=size, dots=size // len(PIECE))
        await copies(http, 2)
        assert await retrieved(gate, 1) < 1_000
        before = peak(process.pid)
        assert await retrieved(gate, 2) > LARGE
        assert peak(process.pid) - before < 32 * 1024 * 1024
    await bodies.delete(key)


def peak(pid: int) -> int:
    """Bytes that a process had in memory at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def test_a_flood_is_in_the_mailbox_a_second_after_its_end(gate):
    async with gate.archive() as http:
        await switch_on(http)
        for _ in range(20):
            await asyncio.gather(*(gate.mail(mail=new_id()) for _ in range(100)))
        began = time.perf_counter()
        await copies(http, 2_000)
        assert time.perf_counter() - began < 1.0
