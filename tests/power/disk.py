"""A file system of its own that loses its power: ext4 in a loop device."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SIZE = 300 * 1024 * 1024  # of a sparse file
_FS_IOC_SHUTDOWN = 0x8004587D
_NOLOGFLUSH = 2  # what is neither synced nor in the journal on disk is lost
_TOOLS = ("mkfs.ext4", "mount", "umount")


def obstacle() -> str:
    """Why no disk can be made here; empty if one can."""
    if os.geteuid():
        return "only root may mount a file system"
    if missing := [tool for tool in _TOOLS if not shutil.which(tool)]:
        return f"{missing[0]} is not installed"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices"


class NoDisk(Exception):
    """This machine mounts no file for root, as in a container without privileges."""


class Disk:
    """The directory `path` while the power is on."""

    def __init__(self, image: Path, path: Path) -> None:
        self.path, self._image = path, image

    def make(self) -> None:
        with self._image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.path.mkdir()
        self.mount()

    def mount(self) -> None:
        """The loop device is freed by itself when the file system is unmounted."""
        _run("mount", "-o", "loop", str(self._image), str(self.path))

    def cut(self) -> None:
        """From now on nothing reaches the disk, and every access fails."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Once the processes that used it are gone; a file may stay open for a moment."""
        deadline = time.monotonic() + 20
        while self.path.is_mount():
            with contextlib.suppress(NoDisk):
                _run("umount", *(["-l"] if time.monotonic() > deadline else []), str(self.path))
                return
            time.sleep(0.1)


@contextlib.contextmanager
def disk(directory: Path) -> Iterator[Disk]:
    """A new one, mounted at `directory`/home, and unmounted in the end. Raises NoDisk."""
    made = Disk(directory / "disk.ext4", directory / "home")
    try:
        made.make()
        yield made
    finally:
        made.unmount()
        (directory / "disk.ext4").unlink(missing_ok=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDisk(f"{command[0]}: {done.stderr.strip()}")
