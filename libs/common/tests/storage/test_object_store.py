"""The contract of the object store, in a directory and on a real S3 server."""

import hashlib
import os
import resource
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from varco_common.base.errors import TransientError
from varco_common.storage.object_store import MissingObject, ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing import S3Server

MIB = 1024 * 1024


@pytest.fixture(params=["directory", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStoreSettings:
    if request.param == "directory":
        return ObjectStoreSettings(directory=tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3")
    return server.settings


@pytest_asyncio.fixture
async def blobs(settings: ObjectStoreSettings) -> AsyncIterator[ObjectStore]:
    store = open_store(settings, f"test-{secrets.token_hex(4)}")
    await store.ensure()
    yield store
    await store.close()


async def test_bytes_come_back_whole_and_in_chunks(blobs: ObjectStore):
    body = os.urandom(300_000)
    await blobs.put("key", body)
    assert await blobs.get("key") == body
    chunks = [chunk async for chunk in blobs.stream("key", 100_000)]
    assert [len(chunk) for chunk in chunks] == [100_000, 100_000, 100_000]
    assert b"".join(chunks) == body


async def test_an_empty_object_is_an_object(blobs: ObjectStore):
    await blobs.put("empty", b"")
    assert await blobs.get("empty") == b""
    assert await blobs.exists("empty")


async def test_a_file_of_100_mib_is_put_and_streamed_in_bounded_memory(blobs: ObjectStore):
    block = os.urandom(MIB)
    with tempfile.TemporaryFile() as spool:
        for _ in range(100):
            spool.write(block)
        spool.seek(0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await blobs.put("big", spool, 100 * MIB)
    digest, size = hashlib.sha256(), 0
    async for chunk in blobs.stream("big"):
        digest.update(chunk)
        size += len(chunk)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    expected = hashlib.sha256()
    for _ in range(100):
        expected.update(block)
    assert (size, digest.digest()) == (100 * MIB, expected.digest())
    assert grown < 32 * 1024  # KiB


async def test_a_file_is_put_from_where_it_stands(blobs: ObjectStore):
    with tempfile.TemporaryFile() as spool:
        spool.write(b"head and body")
        spool.seek(9)
        await blobs.put("part", spool, 4)
    assert await blobs.get("part") == b"body"


async def test_what_is_not_there_is_missing_and_deleting_it_is_no_error(blobs: ObjectStore):
    with pytest.raises(MissingObject):
        await blobs.get("never")
    with pytest.raises(MissingObject):
        async with aclosing(blobs.stream("never")) as chunks:
            await anext(chunks)
    assert not await blobs.exists("never")
    await blobs.delete("never")


async def test_a_deleted_object_is_gone(blobs: ObjectStore):
    await blobs.put("key", b"x")
    await blobs.delete("key")
    assert not await blobs.exists("key")


async def test_only_what_is_older_expires(blobs: ObjectStore):
    await blobs.put("key", b"x")
    assert await blobs.expire(timedelta(days=1)) == 0
    assert await blobs.exists("key")
    assert await blobs.expire(timedelta(seconds=-2)) == 1  # older than what is to come
    assert not await blobs.exists("key")


async def test_a_stream_that_is_left_early_leaves_nothing_before_the_next_answer(blobs: ObjectStore):
    body = os.urandom(2 * MIB)
    await blobs.put("key", body)
    async with aclosing(blobs.stream("key", 1_000)) as chunks:
        assert await anext(chunks) == body[:1_000]
    assert await blobs.get("key") == body


async def test_ensure_keeps_what_is_there(blobs: ObjectStore):
    await blobs.put("key", b"x")
    await blobs.ensure()
    await blobs.check()
    assert await blobs.get("key") == b"x"


async def test_a_bucket_that_is_not_there_fails_the_check_and_misses_no_object(settings: ObjectStoreSettings):
    nowhere = open_store(settings, "no-such-bucket")
    for attempt in (nowhere.check(), nowhere.get("key")):
        with pytest.raises(TransientError):
            await attempt
    await nowhere.close()


KEYS = ["acme/0abc/1.2-00ff", ".hidden", "%2E", "a b", "ä\n", "x" * 200]


@pytest.mark.parametrize("key", KEYS)
async def test_any_key_names_one_object(blobs: ObjectStore, key: str):
    await blobs.put("other", b"other")
    await blobs.put(key, b"old")
    await blobs.put(key, b"new")
    assert await blobs.get(key) == b"new"
    assert sorted(await blobs.keys(timedelta(seconds=-2))) == sorted([key, "other"])
    await blobs.delete(key)
    assert await blobs.keys(timedelta(seconds=-2)) == ["other"]


async def test_a_range_is_streamed_alone(blobs: ObjectStore):
    body = os.urandom(10_000)
    await blobs.put("key", body)
    for start, length, expected in ((1_000, 5_000, body[1_000:6_000]), (9_000, 0, body[9_000:]), (0, 1, body[:1])):
        chunks = [chunk async for chunk in blobs.stream("key", 700, start=start, length=length)]
        assert b"".join(chunks) == expected
        assert {len(chunk) for chunk in chunks[:-1]} <= {700}


@pytest.mark.parametrize("size", [0, 10, 300_000, 20 * MIB])
async def test_an_upload_is_there_once_it_is_finished_and_not_before(blobs: ObjectStore, size: int):
    body = os.urandom(size)
    upload = blobs.upload("key")
    for start in range(0, size, 200_000):
        await upload.write(body[start : start + 200_000])
    assert not await blobs.exists("key")
    await upload.finish()
    assert await blobs.get("key") == body


async def test_an_aborted_upload_leaves_the_older_object(blobs: ObjectStore):
    await blobs.put("key", b"old")
    for size in (10, 10 * MIB):
        upload = blobs.upload("key")
        await upload.write(os.urandom(size))
        await upload.abort()
    assert await blobs.get("key") == b"old"
    assert await blobs.keys(timedelta(seconds=-2)) == ["key"]


async def test_what_is_left_of_an_unfinished_upload_is_freed_and_objects_stay(blobs: ObjectStore):
    await blobs.put("key", b"old")
    upload = blobs.upload("other")
    await upload.write(os.urandom(10 * MIB))
    await blobs.abort_uploads(timedelta(seconds=-2))
    with pytest.raises(TransientError):
        await upload.finish()
    assert await blobs.keys(timedelta(seconds=-2)) == ["key"]
