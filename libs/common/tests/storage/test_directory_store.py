"""What only the directory store can do: keep to its directory, survive a kill, fill its disk."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from varco_common.base.errors import StoreFull, TransientError
from varco_common.storage.directory_store import DirectoryStore
from varco_common.storage.disk_reserve import reserve
from varco_common.storage.object_store import ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing.disks import SmallDisk
from varco_common.testing.waiting import eventually

MIB = 1024 * 1024
BUCKET = "varco-test"


@pytest_asyncio.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async for store in opened(tmp_path / "objects"):
        yield store


async def opened(directory: Path) -> AsyncIterator[ObjectStore]:
    store = open_store(ObjectStoreSettings(directory=directory), BUCKET)
    assert isinstance(store, DirectoryStore)
    await store.ensure()
    yield store
    await store.close()


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize("key", ["../../escaped", "/etc/escaped", ".", "..", "a/../../b", "a\0b", ".x.new"])
async def test_no_name_leads_out_of_the_directory(blobs: ObjectStore, tmp_path: Path, key: str):
    await blobs.put(key, b"x")
    assert [file.parent for file in files(tmp_path)] == [tmp_path / "objects" / BUCKET]
    assert await blobs.get(key) == b"x"
    assert await blobs.keys(timedelta(seconds=-2)) == [key]
    await blobs.delete(key)
    assert files(tmp_path) == []


async def test_nobody_else_can_read_it_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        async for blobs in opened(tmp_path / "objects"):
            await blobs.put("key", b"x")
            upload = blobs.upload("other")
            await upload.write(bytes(MIB))
            modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "objects").rglob("*")}
            assert modes == {0o700, 0o600}
            assert stat.S_IMODE((tmp_path / "objects").stat().st_mode) == 0o700
            await upload.abort()
    finally:
        os.umask(before)


async def test_a_directory_that_is_gone_is_a_transient_error(blobs: ObjectStore, tmp_path: Path):
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    for attempt in (blobs.put("key", b"x"), blobs.get("key"), blobs.check(), blobs.keys(timedelta(0))):
        with pytest.raises(TransientError):
            await attempt


async def test_a_body_that_is_shorter_than_its_size_is_not_stored(blobs: ObjectStore, tmp_path: Path):
    (tmp_path / "body").write_bytes(b"short")
    with (tmp_path / "body").open("rb") as body, pytest.raises(TransientError):
        await blobs.put("key", body, 6)
    assert not await blobs.exists("key")
    assert files(tmp_path / "objects") == []


async def test_a_cancelled_put_or_upload_leaves_nothing(blobs: ObjectStore, tmp_path: Path):
    body = bytes(32 * MIB)
    putting = asyncio.create_task(blobs.put("key", body))
    await eventually(lambda: bool(files(tmp_path / "objects")))
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    left = {file.name for file in files(tmp_path / "objects")}
    assert left <= {"key"}  # cancelled too late, it is whole
    assert not left or await blobs.get("key") == body


WRITER = """
import asyncio, sys
from pathlib import Path
from varco_common.storage.directory_store import DirectoryStore

async def main():
    store = DirectoryStore(Path(sys.argv[1]), sys.argv[2])
    await store.ensure()
    number = 0
    while True:
        await store.put(f"put-{number}", bytes([number % 256]) * 300_000)
        print(f"put-{number}", flush=True)
        upload = store.upload(f"upload-{number}")
        await upload.write(bytes([number % 256]) * 300_000)
        await upload.finish()
        print(f"upload-{number}", flush=True)
        number += 1

asyncio.run(main())
"""


async def test_a_killed_writer_leaves_whole_objects_and_what_is_unfinished_is_freed(tmp_path: Path):
    directory = tmp_path / "objects"
    done: list[str] = []
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(directory), BUCKET]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:  # noqa: ASYNC220 - nothing else runs
            assert writer.stdout
            done += [writer.stdout.readline().strip() for _ in range(8)]
            os.kill(writer.pid, signal.SIGKILL)
            done += writer.stdout.read().split()
    async for blobs in opened(directory):
        keys = await blobs.keys(timedelta(seconds=-2))
        assert {*done} <= {*keys}
        for key in keys:
            number = int(key.rpartition("-")[2])
            assert await blobs.get(key) == bytes([number % 256]) * 300_000
        await blobs.abort_uploads(timedelta(seconds=-2))
        assert len(files(directory)) == len(keys)


async def put_many(blobs: ObjectStore, count: int, size: int) -> None:
    for number in range(count):
        await blobs.put(f"key-{number}", bytes(size))


async def test_the_room_that_events_need_stays_free(small_disk: SmallDisk):
    directory = small_disk("size=8m,nr_inodes=24")
    async for blobs in opened(directory / "objects"):
        with pytest.raises(StoreFull):
            await put_many(blobs, 10, MIB)
        upload = blobs.upload("upload")
        with pytest.raises(StoreFull):
            await upload.write(bytes(MIB))
        await upload.abort()
        disk = shutil.disk_usage(directory)
        assert reserve(disk.total) <= disk.free < reserve(disk.total) + MIB
        assert not await blobs.exists("upload")


async def test_a_disk_that_is_full_is_told_as_such_and_takes_objects_again(small_disk: SmallDisk):
    directory = small_disk("size=8m,nr_inodes=24")
    async for blobs in opened(directory / "objects"):
        with pytest.raises(StoreFull):  # ENOSPC: there is room for bytes, and none for another file
            await put_many(blobs, 30, 1)
        assert await blobs.expire(timedelta(seconds=-2)) > 10
        await blobs.put("key", b"x")
        assert [file.name for file in files(directory)] == ["key"]


async def test_what_is_no_longer_in_memory_is_read_from_the_disk(blobs: ObjectStore, tmp_path: Path):
    body = os.urandom(500_000)
    await blobs.put("key", body)
    with (tmp_path / "objects" / BUCKET / "key").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(file.fileno(), 200_000, 1, os.POSIX_FADV_WILLNEED)
    chunks = [chunk async for chunk in blobs.stream("key", 60_000, start=1_000)]
    assert [len(chunk) for chunk in chunks] == [*[60_000] * 8, 19_000]
    assert b"".join(chunks) == body[1_000:]
