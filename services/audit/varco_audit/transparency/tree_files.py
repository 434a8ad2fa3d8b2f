"""The tree on disk: a file of all leaf hashes, and one of the subtrees' roots for each eighth level above."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from varco_common.transparency.merkle_tree import HASH_BYTES, node_hash

STEP = 8  # levels between two files: a node in between is made of 128 hashes at most
WIDTH = 1 << STEP

_CHUNK = 64 * 1024 * HASH_BYTES


class TreeFilesInUse(OSError):
    """Another process writes these files."""


class TreeFiles:
    """Appended to as events come, and read where a proof needs a node. Not fsynced but by `sync`: EVENTS has it all.

    Only `hashes` matters: the files above it can be made from it, and it from EVENTS. `size` counts leaves.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[int] = []
        self._sizes: list[int] = []

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Of an existing directory or a new one. Raises InUse, or another OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self = cls(directory)
        self._open()
        try:
            fcntl.flock(self._files[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise TreeFilesInUse(f"another process writes {self.path}") from None
        self.cut(self.size)
        return self

    @property
    def path(self) -> Path:
        """The file of leaf hashes: 32 bytes for each event, in order."""
        return self._directory / "hashes"

    @property
    def size(self) -> int:
        return self._sizes[0]

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()

    def append(self, leaves: Sequence[bytes]) -> None:
        self._append(0, leaves)

    def leaf(self, index: int) -> bytes:
        return os.pread(self._files[0], HASH_BYTES, index * HASH_BYTES)

    def leaves(self) -> Iterator[bytes]:
        """All of them, in order, read in large pieces."""
        for at in range(0, self.size * HASH_BYTES, _CHUNK):
            chunk = os.pread(self._files[0], min(_CHUNK, self.size * HASH_BYTES - at), at)
            yield from (chunk[n : n + HASH_BYTES] for n in range(0, len(chunk), HASH_BYTES))

    def node(self, level: int, index: int) -> bytes:
        """As `tree.Node`; it must lie within what was appended."""
        above = level % STEP
        return _root(self._read(level // STEP, index << above, 1 << above))

    def cut(self, size: int) -> None:
        """Forgets all leaves but the first `size`, or has them all as before; and makes anew what is missing above."""
        self._truncate(0, min(size, self.size))
        number = 0
        while (above := self._sizes[number] >> STEP) or number + 1 < len(self._files):
            self._reach(number + 1)
            self._truncate(number + 1, min(above, self._sizes[number + 1]))
            self._raise(number + 1)
            number += 1

    def sync(self) -> None:
        """Waits until all of it is on disk."""
        for file in self._files:
            os.fdatasync(file)

    def _open(self) -> None:
        self._reach(0)
        while self._path(len(self._files)).exists():
            self._reach(len(self._files))

    def _path(self, number: int) -> Path:
        return self.path.with_name(f"hashes.{number * STEP}") if number else self.path

    def _reach(self, number: int) -> None:
        while len(self._files) <= number:
            descriptor = os.open(self._path(len(self._files)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._files.append(descriptor)
            self._sizes.append(os.fstat(descriptor).st_size // HASH_BYTES)

    def _truncate(self, number: int, size: int) -> None:
        os.ftruncate(self._files[number], size * HASH_BYTES)
        self._sizes[number] = size

    def _append(self, number: int, hashes: Sequence[bytes]) -> None:
        self._reach(number)
        data = b"".join(hashes)
        if os.pwrite(self._files[number], data, self._sizes[number] * HASH_BYTES) != len(data):
            raise OSError(f"{self._path(number)} can't take more")
        self._sizes[number] += len(hashes)
        if self._sizes[number] >> STEP:
            self._raise(number + 1)

    def _raise(self, number: int) -> None:
        """Appends to this level what the one below has whole."""
        self._reach(number)
        while missing := (self._sizes[number - 1] >> STEP) - self._sizes[number]:
            start = self._sizes[number]
            roots = [self._whole(number - 1, index) for index in range(start, start + min(missing, WIDTH))]
            self._append(number, roots)

    def _whole(self, number: int, index: int) -> bytes:
        return _root(self._read(number, index << STEP, WIDTH))

    def _read(self, number: int, start: int, count: int) -> list[bytes]:
        data = os.pread(self._files[number], count * HASH_BYTES, start * HASH_BYTES)
        if len(data) != count * HASH_BYTES:
            raise ValueError(f"{self._path(number)} has no {count} hashes at {start}")
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
