"""The object store on a real S3 server: what was put is there, and memory stays bounded."""

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
from varco_common.storage.object_store import ObjectStore
from varco_common.storage.s3_connection import MissingObject
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing import S3Server, free_port, s3_server

MIB = 1024 * 1024


@pytest_asyncio.fixture
async def blobs(s3: S3Server) -> AsyncIterator[ObjectStore]:
    each = ObjectStore(s3.settings, f"test-{secrets.token_hex(4)}")
    await each.ensure(expire_days=8)
    yield each
    await each.close()


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
    await blobs.ensure(expire_days=9)
    await blobs.check()
    assert await blobs.get("key") == b"x"


async def test_a_bucket_that_is_not_there_fails_the_check(s3: S3Server):
    nowhere = ObjectStore(s3.settings, "no-such-bucket")
    with pytest.raises(TransientError):
        await nowhere.check()
    await nowhere.close()


async def test_a_store_that_is_away_is_a_transient_error_that_shows_no_signature(tmp_path: Path):
    key = tmp_path / "key"
    key.write_text("some-key")
    settings = ObjectStoreSettings(
        endpoint=f"http://127.0.0.1:{free_port()}", access_key_file=key, secret_key_file=key, timeout_seconds=1
    )
    away = ObjectStore(settings)
    for attempt in (away.put("key", b"x"), away.get("key"), away.check()):
        with pytest.raises(TransientError) as caught:
            await attempt
        assert "Signature" not in str(caught.value)
    await away.close()


async def test_wrong_keys_are_refused(s3: S3Server, tmp_path: Path):
    wrong = tmp_path / "secret.key"
    wrong.write_text("wrong")
    settings = ObjectStoreSettings(
        endpoint=s3.settings.endpoint, access_key_file=s3.settings.access_key_file, secret_key_file=wrong
    )
    stranger = ObjectStore(settings)
    with pytest.raises(TransientError):
        await stranger.put("key", b"x")
    await stranger.close()


async def test_what_was_put_outlives_a_killed_store():
    async with s3_server() as server:
        store = ObjectStore(server.settings)
        await store.ensure()
        bodies = {f"key-{number}": os.urandom(50_000) for number in range(20)}
        for key, body in bodies.items():
            await store.put(key, body)
        await server.restart()
        for key, body in bodies.items():
            assert await store.get(key) == body
        await store.put("after", b"x")
        await store.close()
