"""What only an S3 server can do: be away, refuse keys, and die."""

import os
from pathlib import Path

import pytest

from varco_common.base.errors import TransientError
from varco_common.storage.object_store import open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing import S3Server, free_port, s3_server


async def test_a_store_that_is_away_is_a_transient_error_that_shows_no_signature(tmp_path: Path):
    key = tmp_path / "key"
    key.write_text("some-key")
    settings = ObjectStoreSettings(
        endpoint=f"http://127.0.0.1:{free_port()}", access_key_file=key, secret_key_file=key, timeout_seconds=1
    )
    away = open_store(settings)
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
    stranger = open_store(settings)
    with pytest.raises(TransientError):
        await stranger.put("key", b"x")
    await stranger.close()


async def test_what_was_put_outlives_a_killed_store():
    async with s3_server() as server:
        store = open_store(server.settings)
        await store.ensure()
        bodies = {f"key-{number}": os.urandom(50_000) for number in range(20)}
        for key, body in bodies.items():
            await store.put(key, body)
        await server.restart()
        for key, body in bodies.items():
            assert await store.get(key) == body
        await store.put("after", b"x")
        await store.close()
