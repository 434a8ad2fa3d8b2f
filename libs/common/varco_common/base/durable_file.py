"""The one way to write a file that a later start needs.

After a power cut the file is the old one or the new one, and whole.
A file that is written in place can be empty after a power cut, and so can one that was renamed
before its content was on disk.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from varco_common.base.errors import VarcoError

_SECRET = 0o600


class DamagedFile(VarcoError):
    """A file that is empty or cut, and that cannot be made again.

    The text names it and says what to do.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        super().__init__(f"{path} is damaged (empty or cut, as a power cut can leave a file): {remedy}")


def write_durable(path: Path, content: str | bytes, mode: int = _SECRET) -> None:
    """Writes the file whole or not at all. When it returns, the file is on disk. Raises OSError."""
    with durable_writer(path, mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def durable_writer(path: Path, mode: int = _SECRET) -> Iterator[BinaryIO]:
    """For content that comes in pieces: an error inside the block leaves `path` as it was."""
    unfinished = UnfinishedFile(path, mode)
    try:
        yield unfinished.file
        unfinished.keep()
    finally:
        unfinished.discard()


def create_durable(path: Path, content: str | bytes, mode: int = _SECRET) -> bool:
    """As `write_durable`, where no file has that name yet; False if one has. Processes may race."""
    unfinished = UnfinishedFile(path, mode)
    try:
        unfinished.file.write(content.encode() if isinstance(content, str) else content)
        return unfinished.keep_as_new()
    finally:
        unfinished.discard()


class UnfinishedFile:
    """A file that has another name until it is complete. Write to `file`, then keep or discard it.

    The other name begins with a dot and ends in `.new`. All methods raise OSError.
    """

    def __init__(self, path: Path, mode: int = _SECRET) -> None:
        self._path = path
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        self._name = Path(name)
        self.file: BinaryIO = os.fdopen(descriptor, "wb")
        os.fchmod(descriptor, mode)

    def keep(self) -> None:
        """Gives the file its name, in place of another one. The file is on disk on return."""
        self._sync()
        self._name.replace(self._path)
        sync_directory(self._path.parent)

    def keep_as_new(self) -> bool:
        """As `keep`, where no file has that name yet; False if one has."""
        self._sync()
        try:
            os.link(self._name, self._path)
        except FileExistsError:
            return False
        sync_directory(self._path.parent)
        return True

    def discard(self) -> None:
        """Closes the file, and deletes it unless it was kept."""
        try:
            self.file.close()
        finally:
            self._name.unlink(missing_ok=True)

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())


def sync_directory(directory: Path) -> None:
    """Waits until the names of its files are on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Makes the directory and its parents, if need be. Their names are on disk when it returns."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        directory.mkdir(mode=mode, exist_ok=True)
        sync_directory(directory.parent)


def is_blank(content: bytes) -> bool:
    """Whether nothing is in it. A file that was cut off can also hold zeros."""
    return not content.strip(b"\0 \t\r\n")
