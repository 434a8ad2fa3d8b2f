"""Where bus and object store are: in a home here, running or started for the moment, or wherever the settings say."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from varco_cli import api_client
from varco_cli.stack import Stack
from varco_cli.stack.bus import operator
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting, Port, load
from varco_common.base.tasks import retry_until_available
from varco_common.bus import BusSettings
from varco_common.bus.settings import WithBus
from varco_common.storage.object_store import BODIES, LINKS, ObjectStore
from varco_common.storage.settings import ObjectStoreSettings, WithObjectStore

BUCKETS = (BODIES, LINKS)
_PATIENCE_SECONDS = 60.0


class NetworkSettings(WithBus, WithObjectStore):
    """What `varco backup` and `varco restore` read where there is no home."""


@dataclass(frozen=True, kw_only=True)
class BackupStorage:
    """How to reach both, and the VARCO_HOME whose databases and secrets go with them; None where there is none here."""

    bus: BusSettings
    blobs: ObjectStoreSettings
    home: Path | None


def over_network() -> bool:
    """VARCO_NATS_URL names a bus that isn't this home's own."""
    return "VARCO_NATS_URL" in os.environ


@contextlib.asynccontextmanager
async def reached(say: Callable[[str], None]) -> AsyncIterator[BackupStorage]:
    """What runs already; else the home's bus and object store, started without any service for as long as the block lasts."""
    if over_network():
        settings = load(NetworkSettings)
        yield BackupStorage(bus=settings.bus, blobs=settings.object_store, home=None)
    elif api_client.state_directory().running():
        yield _running()
    else:
        stack = Stack(say=say)
        async with stack.storage_alone():
            yield _of_home(stack.settings.inner, stack.ports.nats, stack.ports.s3)


def _running() -> BackupStorage:
    state: dict[str, Any] = api_client.state() or {}
    ports: dict[str, Port] = state["ports"]
    return _of_home(state["inner"], ports["nats"], ports["s3"])


def _of_home(inner: str, nats: int, s3: int) -> BackupStorage:
    home = api_client.state_directory()
    return BackupStorage(
        bus=operator(home, inner, nats),
        blobs=ObjectStoreSettings(
            endpoint=f"http://{inner}:{s3}",
            access_key_file=home.secret("s3.access", 10),
            secret_key_file=home.secret("s3.secret", 20),
            sync_directory=home.objects / "data",
        ),
        home=home.path,
    )


@contextlib.asynccontextmanager
async def buckets(settings: ObjectStoreSettings) -> AsyncIterator[dict[str, ObjectStore]]:
    """The object store's buckets by name, made where they aren't there; waits for a store that is just starting."""
    stores = {name: ObjectStore(settings, name) for name in BUCKETS}
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for bucket in stores.values():
                await retry_until_available(bucket.ensure, "waiting for the object store")
        yield stores
    except TimeoutError:
        raise TransientError(f"the object store at {settings.endpoint} is away") from None
    finally:
        for bucket in stores.values():
            await bucket.close()


__all__ = ["BackupStorage", "BrokenSetting", "buckets", "over_network", "reached"]
