"""One body while it comes in: in memory or in an unnamed file, which no crash leaves behind."""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

SMALL_BYTES = 2 * 1024 * 1024  # copied in one piece; a larger body is read from its file again and again


class MemoryBudget:
    """Bytes left for the bodies of all sessions in memory. Beyond it bodies go to disk."""

    __slots__ = ("free",)

    def __init__(self, size: int) -> None:
        self.free = size


class Spool:
    """Collects chunks. A body of at most `small` bytes stays in memory, if there is room."""

    def __init__(self, directory: Path, small: int, budget: MemoryBudget) -> None:
        self._directory = directory
        self._small = small
        self._budget = budget
        self._in_memory = 0
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._file is None and (self.size > self._small or len(chunk) > self._budget.free):
            self._spill()
        if self._file is None:
            self._chunks.append(chunk)
            self._in_memory += len(chunk)
            self._budget.free -= len(chunk)
        else:
            self._file.write(chunk)

    def clear(self) -> None:
        """Drops everything; write nothing after it."""
        self._free_memory()
        self.size = 0
        file, self._file = self._file, None
        if file:
            with suppress(OSError):  # closing writes what is left, and there may be no room
                file.close()

    @property
    def is_small(self) -> bool:
        """Whether it may be copied in one piece, from memory or from its file."""
        return self.size <= self._small

    @contextmanager
    def whole(self) -> Iterator[bytes | mmap.mmap]:
        """The body: bytes, or a map of the file, whose pages the kernel can drop."""
        if self._file is None:
            if len(self._chunks) > 1:
                self._chunks[:] = [b"".join(self._chunks)]
            yield self._chunks[0] if self._chunks else b""
            return
        self._file.flush()
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped

    @contextmanager
    def from_offset(self, offset: int) -> Iterator[IO[bytes]]:
        """The file from `offset` on; only for a body that is in a file."""
        assert self._file is not None
        self._file.flush()
        self._file.seek(offset)
        yield self._file

    def _spill(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - it lives as long as the transaction
        self._file.writelines(self._chunks)
        self._free_memory()

    def _free_memory(self) -> None:
        self._chunks.clear()
        self._budget.free += self._in_memory
        self._in_memory = 0
