"""Small disks for tests of what happens when they are full."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SmallDisk = Callable[[str], Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mounts a tmpfs with options such as `size=8m`, at most one in a test. Skips without root."""
    directory = tmp_path / "disk"

    def mount(options: str) -> Path:
        directory.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(directory)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our options
        if mounted.returncode:
            pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
        return directory

    yield mount
    if directory.is_mount():
        subprocess.run(["umount", "-l", str(directory)], check=True)  # noqa: S603, S607 - as above
