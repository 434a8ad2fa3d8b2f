"""The Merkle tree on disk: a file of leaf hashes, and one of each eighth level above."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from varco_common.transparency.merkle_tree import HASH_BYTES, node_hash

STEP = 8  # levels between two files: a node in between is computed from 128 hashes at most
WIDTH = 1 << STEP

_CHUNK = 64 * 1024 * HASH_BYTES


class TreeFilesInUse(OSError):
    """Another process writes these files."""


class TreeFiles:
    """`size` counts leaves. Files are fsynced by `sync` only, because EVENTS has all of it.

    The files above `hashes` are computed from it, and it is computed from EVENTS.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[int] = []  # descriptors; file n has the nodes of level n * STEP
        self._sizes: list[int] = []  # in hashes

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Opens a directory or makes a new one. Raises TreeFilesInUse or another OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self = cls(directory)
        self._open_file(0)
        while self._path(len(self._files)).exists():
            self._open_file(len(self._files))
        try:
            fcntl.flock(self._files[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise TreeFilesInUse(f"another process writes {self.path}") from None
        self.truncate(self.size)
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
        """Raises OSError if the disk is full."""
        self._append(0, leaves)

    def leaf(self, index: int) -> bytes:
        return os.pread(self._files[0], HASH_BYTES, index * HASH_BYTES)

    def leaves(self) -> Iterator[bytes]:
        """All leaf hashes in order, read in large pieces."""
        for offset in range(0, self.size * HASH_BYTES, _CHUNK):
            chunk = os.pread(self._files[0], min(_CHUNK, self.size * HASH_BYTES - offset), offset)
            yield from _hashes(chunk)

    def node(self, level: int, index: int) -> bytes:
        """A `merkle_tree.Node`. Raises ValueError unless all its leaves were appended."""
        above = level % STEP
        return _root(self._read(level // STEP, index << above, 1 << above))

    def truncate(self, size: int) -> None:
        """Drops all leaves but the first `size`, and computes what the files above lack."""
        self._truncate(0, min(size, self.size))
        number = 0
        while (above := self._sizes[number] >> STEP) or number + 1 < len(self._files):
            self._open_file(number + 1)
            self._truncate(number + 1, min(above, self._sizes[number + 1]))
            self._complete(number + 1)
            number += 1

    def sync(self) -> None:
        """Waits until all of it is on disk."""
        for file in self._files:
            os.fdatasync(file)

    def _path(self, number: int) -> Path:
        return self.path.with_name(f"hashes.{number * STEP}") if number else self.path

    def _open_file(self, number: int) -> None:
        if len(self._files) <= number:
            self._files.append(os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._sizes.append(os.fstat(self._files[number]).st_size // HASH_BYTES)

    def _truncate(self, number: int, size: int) -> None:
        os.ftruncate(self._files[number], size * HASH_BYTES)
        self._sizes[number] = size

    def _append(self, number: int, hashes: Sequence[bytes]) -> None:
        data = b"".join(hashes)
        if os.pwrite(self._files[number], data, self._sizes[number] * HASH_BYTES) != len(data):
            raise OSError(f"{self._path(number)} can't take more")
        self._sizes[number] += len(hashes)
        if self._sizes[number] >> STEP:
            self._complete(number + 1)

    def _complete(self, number: int) -> None:
        """Appends the roots of all complete subtrees of the file below."""
        self._open_file(number)
        while missing := (self._sizes[number - 1] >> STEP) - self._sizes[number]:
            start = self._sizes[number]
            indexes = range(start, start + min(missing, WIDTH))
            self._append(number, [_root(self._read(number - 1, index << STEP, WIDTH)) for index in indexes])

    def _read(self, number: int, start: int, count: int) -> list[bytes]:
        data = os.pread(self._files[number], count * HASH_BYTES, start * HASH_BYTES)
        if len(data) != count * HASH_BYTES:
            raise ValueError(f"{self._path(number)} has no {count} hashes at {start}")
        return _hashes(data)


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
