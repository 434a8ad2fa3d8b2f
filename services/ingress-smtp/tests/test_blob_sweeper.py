"""Bodies in the object store end when their records do, and no sooner."""

import asyncio
import os
from datetime import timedelta

from varco_common.base.tasks import run_in_background
from varco_ingress_smtp.blob_sweeper import SPARE, delete_expired_bodies


async def test_a_body_goes_when_mail_has_dropped_its_record(bodies):
    await bodies.put("old", b"body")
    async with (
        run_in_background(delete_expired_bodies(bodies, -SPARE - timedelta(seconds=2), pause=0.05)),
        asyncio.timeout(60),
    ):
        while await bodies.exists("old"):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.02)


async def test_what_a_killed_process_left_is_freed(bodies, tmp_path):
    upload = bodies.upload("unfinished")
    await upload.write(bytes(1 << 20))
    [left] = tmp_path.rglob(".unfinished.*")
    os.utime(left, (0, 0))
    async with run_in_background(delete_expired_bodies(bodies, timedelta(0), pause=0.05)), asyncio.timeout(60):
        while left.exists():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    await upload.abort()


async def test_a_body_stays_as_long_as_its_record(bodies):
    await bodies.put("kept", b"body")
    sweeping = asyncio.create_task(delete_expired_bodies(bodies, timedelta(0), pause=0.05))
    done, _ = await asyncio.wait([sweeping], timeout=0.5)
    assert not done, "it goes on for ever"
    sweeping.cancel()
    assert await bodies.exists("kept")
