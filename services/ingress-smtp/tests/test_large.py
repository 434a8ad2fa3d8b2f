"""Large bodies go to the object store unchanged, in little memory; a missing store is a 451."""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from varco_common.bus import streams
from varco_common.storage.object_store import open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing.smtp import TEXT, Client

MIB = 1 << 20
LINE = b"." + b"." + b"0123456789abcdef" * 4 + b"\xe9\r\n"


@pytest.fixture(params=["directory", "s3"])
def settings(request, tmp_path):
    return (
        request.getfixturevalue("s3").settings
        if request.param == "s3"
        else ObjectStoreSettings(directory=tmp_path / "objects")
    )


@pytest.fixture
async def bodies(settings):
    store = open_store(settings)
    await store.ensure()
    yield store
    await store.close()


async def test_a_body_over_the_inline_limit_goes_to_the_object_store_byte_for_byte(start, settings, bodies):
    world = await start(blobs=settings, bucket="varco-bodies", inline="64 kB")
    body = TEXT + LINE * 5_000
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail(body)).startswith("250 ")
    (stored,) = await world.records()
    record = stored.record
    assert stored.body == b""
    assert record.body.object == record.envelope.id
    kept = await bodies.get(record.body.object)
    assert kept.endswith(body)
    assert kept.startswith(b"Received: ")
    assert len(kept) == record.body.size
    assert hashlib.sha256(kept).hexdigest() == record.body.sha256
    assert record.body.shift == len(kept) - len(body)


async def test_a_missing_object_store_is_a_451_and_small_mail_flows(start):
    world = await start(inline="64 kB")
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail(TEXT + LINE * 5_000)).startswith("451 4.3.0 ")
        assert (await client.mail()).startswith("250 ")
    assert len(await world.records()) == 1


async def test_a_body_without_a_place_is_a_452_and_small_mail_flows(start, small_disk):
    settings = ObjectStoreSettings(directory=small_disk("size=1m"))
    bodies = open_store(settings)
    await bodies.ensure()
    world = await start(blobs=settings, bucket="varco-bodies", inline="64 kB")
    async with world.connect() as client:
        await client.hello()
        answers = [await client.mail(TEXT + LINE * 5_000) for _ in range(4)]
        assert {answer[:10] for answer in answers} == {"250 2.0.0 ", "452 4.3.1 "}
        assert (await client.mail()).startswith("250 ")
    accepted = [stored.record.body.object for stored in await world.records() if stored.record.body.object]
    assert sorted(await bodies.keys(timedelta(seconds=-2))) == sorted(accepted)
    await bodies.close()


async def test_a_full_bus_is_a_452_that_leaves_no_body(start, nats, tmp_path):
    settings = ObjectStoreSettings(directory=tmp_path / "objects")
    bodies = open_store(settings)
    await bodies.ensure()
    world = await start(blobs=settings, bucket="varco-bodies", inline="64 kB")
    async with world.connect() as client, streams.mail_limit(nats.settings()) as limit:
        await client.hello()
        assert (await client.mail()).startswith("250 ")
        await limit.set(1)
        for _ in range(3):
            assert (await client.mail(TEXT + LINE * 5_000)).startswith("452 4.3.1 ")
    assert await bodies.keys(timedelta(seconds=-2)) == []
    await bodies.close()


async def test_a_mail_of_100_mb_raises_the_process_by_less_than_64_mib(spawn, settings, bodies):
    server = {
        "VARCO_S3_ENDPOINT": settings.endpoint,
        "VARCO_S3_ACCESS_KEY_FILE": str(settings.access_key_file),
        "VARCO_S3_SECRET_KEY_FILE": str(settings.secret_key_file),
    }
    ingress = await spawn(VARCO_INGRESS_MAX_SIZE="200 MB", **(server if settings.endpoint else {}))
    pid = ingress.process.pid
    async with Client.open(ingress.port) as client:
        await client.hello()
        assert (await client.mail()).startswith("250 ")
        before = memory(pid, "VmRSS")
        peak = await send_100_mb(client, pid)
    record = (await ingress.bus.mail.get(2)).record
    assert record.envelope.size > 100_000_000
    assert peak - before < 64 * MIB
    ingress.process.terminate()
    assert await ingress.process.wait() == 0


async def send_100_mb(client: Client, pid: int) -> int:
    """The process's highest resident memory during the mail, file pages included."""
    forget_peak(pid)
    await client.envelope()
    assert (await client.say("DATA")).startswith("354 ")
    head = b'From: alice@acme.example\r\nContent-Type: application/pdf; name="a.pdf"\r\n'
    client.send(head + b"Content-Transfer-Encoding: base64\r\n\r\n")
    block = (b"QUJD" * 19 + b"\r\n") * 13_000
    for _ in range(100):
        client.send(block)
        await client.writer.drain()
    client.send(b".\r\n")
    async with asyncio.timeout(60):
        answer = await client.reader.readline()
    assert answer.startswith(b"250 ")
    return memory(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """VmHWM counts from here."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))
