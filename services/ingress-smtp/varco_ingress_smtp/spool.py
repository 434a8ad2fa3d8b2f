"""One body while it comes in: in memory while it is small and there is room, else in a file that no crash leaves behind."""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


class MemoryBudget:
    """Bytes that the bodies of all sessions may take in memory together; a body that finds none goes to disk."""

    __slots__ = ("free",)

    def __init__(self, most: int) -> None:
        self.free = most


class Spool:
    """Takes chunks, gives the whole. `size` is in bytes; a body of at most `inline` bytes travels in its record."""

    def __init__(self, directory: Path, inline: int, room: MemoryBudget) -> None:
        self._directory = directory
        self._inline = inline
        self._room = room
        self._held = 0
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._file is None and (self.size > self._inline or len(chunk) > self._room.free):
            self._spill()
        if self._file is None:
            self._chunks.append(chunk)
            self._held += len(chunk)
            self._room.free -= len(chunk)
        else:
            self._file.write(chunk)

    def clear(self) -> None:
        """Forgets everything; nothing more should be written."""
        self._give_back()
        self.size = 0
        file, self._file = self._file, None
        if file:
            with suppress(OSError):  # closing writes what is left, and there may be no room
                file.close()

    @property
    def inline(self) -> bool:
        """Whether it is small enough for its record, wherever it waits now."""
        return self.size <= self._inline

    @contextmanager
    def whole(self) -> Iterator[bytes | mmap.mmap]:
        """The body: bytes, or a map of the file that doesn't weigh on memory."""
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
        """The file from `offset` on; only where it has spilled."""
        assert self._file is not None
        self._file.flush()
        self._file.seek(offset)
        yield self._file

    def _spill(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - it lives as long as the transaction
        self._file.writelines(self._chunks)
        self._give_back()

    def _give_back(self) -> None:
        self._chunks.clear()
        self._room.free += self._held
        self._held = 0
