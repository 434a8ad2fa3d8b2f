"""A bus whose disk is full says so, and goes on after a restart; nothing that it stored is lost."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from varco_common.base.errors import StoreFull
from varco_common.bus import Bus
from varco_common.bus.streams import ensure, manager
from varco_common.testing import nats_server
from varco_common.testing.samples import record

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a file system: needs root"
)


def mount(store: Path, size: str, *, again: bool = False) -> None:
    """Mounts a file system of this size, or changes its size."""
    options = f"remount,size={size}" if again else f"size={size}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", store], check=True)


async def fill(bus: Bus, stored: list[int]) -> None:
    while True:
        stored.append(await bus.mail.append("accepted", record(), bytes(500_000)))


async def test_an_append_that_the_disk_refuses_is_a_full_store():
    async with nats_server(streams=False) as server:
        await server.stop()
        store = server.home / "store"
        store.mkdir(exist_ok=True)
        mount(store, "16m")
        try:
            await server.start()
            async with manager(server.settings()) as connection:
                await ensure(connection, server.settings())
            async with Bus.connect(server.settings(), "test") as bus:
                stored: list[int] = []
                with pytest.raises(StoreFull):
                    await fill(bus, stored)
                assert stored
                with pytest.raises(StoreFull, match="full"):
                    await bus.admin.check_room()
                mount(store, "64m", again=True)
                await server.restart()
                await bus.mail.append("accepted", record(), bytes(500_000))
                await bus.admin.check_room()
                assert [len((await bus.mail.get(sequence)).body) for sequence in stored] == [500_000] * len(stored)
        finally:
            await server.stop()
            await asyncio.to_thread(subprocess.run, ["umount", store], check=True)
            await server.start()
