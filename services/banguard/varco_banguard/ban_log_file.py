"""The ban log as a file: each line once, over restarts, and over rotation by anybody's logrotate."""

import os
from pathlib import Path
from typing import IO

import msgspec


class WrittenPosition(msgspec.Struct, frozen=True):
    """Up to which event the file was written, which file that was, and how long it was then."""

    sequence: int = 0
    inode: int = 0
    size: int = 0


class BanLogFile:
    """Appends lines. A file that was renamed or removed is made anew; one that was emptied goes on from its start.

    The position lies beside it, hidden. A line that was written when the process died before its position was is cut off again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._note = path.with_name(f".{path.name}.position")
        self._file: IO[bytes] | None = None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.position = self._read()
        self._cut()

    def write(self, sequence: int, line: str) -> None:
        """Appends the event's line; nothing for an event that is in it already. Raises OSError."""
        if sequence <= self.position.sequence:
            return
        file = self._current()
        file.write(line.encode() + b"\n")
        state = os.fstat(file.fileno())
        self._remember(WrittenPosition(sequence, state.st_ino, state.st_size))

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _current(self) -> IO[bytes]:
        """The file of that name now."""
        if self._file and not self._there(os.fstat(self._file.fileno()).st_ino):
            self.close()
        if not self._file:
            self._file = self._path.open("ab", buffering=0)
        return self._file

    def _there(self, inode: int) -> bool:
        try:
            return self._path.stat().st_ino == inode
        except FileNotFoundError:
            return False

    def _read(self) -> WrittenPosition:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=WrittenPosition)
        except (FileNotFoundError, msgspec.DecodeError):
            return WrittenPosition()

    def _cut(self) -> None:
        if self._there(self.position.inode) and self._path.stat().st_size > self.position.size:
            os.truncate(self._path, self.position.size)

    def _remember(self, position: WrittenPosition) -> None:
        new = self._note.with_name(f"{self._note.name}.new")
        new.write_bytes(msgspec.json.encode(position))
        new.replace(self._note)
        self.position = position
