"""The file of the ban log.

Each line is written once, across restarts, crashes and rotation by any logrotate.
"""

import os
from pathlib import Path
from typing import IO

import msgspec


class WrittenPosition(msgspec.Struct, frozen=True):
    """The last event that was written, and the file and its length after that."""

    sequence: int = 0
    inode: int = 0
    size: int = 0


class BanLogFile:
    """Appends lines. A file that was renamed or removed is replaced by a new one.

    The position is stored in a hidden file beside it. If the process died between a line and its
    position, the next start cuts that line off, so that it is written once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position_path = path.with_name(f".{path.name}.position")
        self._file: IO[bytes] | None = None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.is_position_lost = False
        self.position = self._read_position()
        if self._is_current(self.position.inode) and path.stat().st_size > self.position.size:
            os.truncate(path, self.position.size)

    def write(self, sequence: int, line: str) -> None:
        """Appends the event's line, unless the file has it already. Raises OSError."""
        if sequence <= self.position.sequence:
            return
        file = self._current()
        file.write(line.encode() + b"\n")
        state = os.fstat(file.fileno())
        self._store_position(WrittenPosition(sequence, state.st_ino, state.st_size))

    def skip(self, sequence: int) -> None:
        """Events up to this one are not written: for a file whose position is lost."""
        self.position, self.is_position_lost = WrittenPosition(sequence), False

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _current(self) -> IO[bytes]:
        """The file that has the path's name now."""
        if self._file and not self._is_current(os.fstat(self._file.fileno()).st_ino):
            self.close()
        if not self._file:
            self._file = self._path.open("ab", buffering=0)
        return self._file

    def _is_current(self, inode: int) -> bool:
        try:
            return self._path.stat().st_ino == inode
        except FileNotFoundError:
            return False

    def _read_position(self) -> WrittenPosition:
        try:
            return msgspec.json.decode(self._position_path.read_bytes(), type=WrittenPosition)
        except FileNotFoundError:
            return WrittenPosition()
        except msgspec.DecodeError:
            self.is_position_lost = True
            return WrittenPosition()

    def _store_position(self, position: WrittenPosition) -> None:
        new = self._position_path.with_name(f"{self._position_path.name}.new")
        new.write_bytes(msgspec.json.encode(position))
        new.replace(self._position_path)
        self.position = position
