"""The bus and the object store of a backup or a restore.

They are those of VARCO_HOME, running or started for this purpose, or those that the settings name.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from varco_cli import api_client
from varco_cli.stack import Stack, seaweed_migration
from varco_cli.stack.bus import operator
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting, Port, load
from varco_common.base.tasks import retry_until_available
from varco_common.bus import BusSettings
from varco_common.storage.object_store import BODIES, LINKS, ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings, WithObjectStore

BUCKETS = (BODIES, LINKS)
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class BackupStorage:
    """Where the bus and the objects are.

    `home` is the VARCO_HOME with the databases and secrets; None for a gate on other machines.
    """

    bus: BusSettings
    blobs: ObjectStoreSettings
    home: Path | None


def over_network() -> bool:
    """Says whether VARCO_NATS_URL names a bus outside of VARCO_HOME."""
    return "VARCO_NATS_URL" in os.environ


@contextlib.asynccontextmanager
async def open_storage(on_progress: Callable[[str], None]) -> AsyncIterator[BackupStorage]:
    """Yields the storage of the gate.

    Where no stack runs, the bus of VARCO_HOME runs for the block, without any service.
    """
    if over_network():
        settings = load(WithObjectStore)
        yield BackupStorage(bus=settings.bus, blobs=settings.object_store, home=None)
    elif api_client.state_directory().running():
        yield _running()
    else:
        stack = Stack(on_progress=on_progress)
        async with stack.storage_only():
            yield _of_home(stack.settings.inner, stack.ports.nats)


def _running() -> BackupStorage:
    state: dict[str, Any] = api_client.state() or {}
    ports: dict[str, Port] = state["ports"]
    return _of_home(state["inner"], ports["nats"], ports.get("s3"))


def _of_home(inner: str, nats: int, seaweed: int | None = None) -> BackupStorage:
    """`seaweed` is the port of the object store if an older version started the stack (ADR 29)."""
    home = api_client.state_directory()
    objects = load(WithObjectStore).object_store
    if seaweed:
        objects = seaweed_migration.access(home, f"http://{inner}:{seaweed}")
    return BackupStorage(bus=operator(home, inner, nats), blobs=objects, home=home.path)


@contextlib.asynccontextmanager
async def buckets(settings: ObjectStoreSettings) -> AsyncIterator[dict[str, ObjectStore]]:
    """Yields the buckets by name. Creates missing ones, and waits for a store that starts."""
    stores = {name: open_store(settings, name) for name in BUCKETS}
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            for bucket in stores.values():
                await retry_until_available(bucket.ensure, "waiting for the object store")
        yield stores
    except TimeoutError:
        raise TransientError(f"the object store at {settings.endpoint or settings.directory} does not answer") from None
    finally:
        for bucket in stores.values():
            await bucket.close()


__all__ = ["BackupStorage", "BrokenSetting", "buckets", "open_storage", "over_network"]
