"""Writing an object of the directory store piece by piece."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from varco_common.base.durable_file import UnfinishedFile
from varco_common.base.errors import TransientError
from varco_common.storage.disk_reserve import check_room

PIECE_BYTES = 256 * 1024  # a change of threads costs little beside writing that much


class FileUpload:
    """Holds one piece in memory. See Upload for what the methods do."""

    def __init__(self, path: Path, run: Callable[[Callable[[], object]], Awaitable[object]]) -> None:
        self._path, self._run = path, run
        self._pieces: list[bytes] = []
        self._size = 0
        self._unfinished: UnfinishedFile | None = None

    async def write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= PIECE_BYTES:
            await self._run(self._flush)

    async def finish(self) -> None:
        def keep() -> None:
            unfinished = self._flush()
            try:
                unfinished.keep()
            finally:
                unfinished.discard()

        await self._run(keep)

    async def abort(self) -> None:
        self._pieces.clear()
        if self._unfinished:
            with contextlib.suppress(TransientError):
                await self._run(self._unfinished.discard)

    def _flush(self) -> UnfinishedFile:
        check_room(self._path.parent, self._size)
        self._unfinished = self._unfinished or UnfinishedFile(self._path)
        self._unfinished.file.writelines(self._pieces)
        self._pieces.clear()
        self._size = 0
        return self._unfinished


def pieces_of(file: BinaryIO, size: int) -> Iterator[bytes]:
    """`size` bytes of the file from its current position. Raises OSError if it has fewer."""
    while size:
        piece = file.read(min(PIECE_BYTES, size))
        if not piece:
            raise OSError(f"the body ended {size} bytes early")
        size -= len(piece)
        yield piece
