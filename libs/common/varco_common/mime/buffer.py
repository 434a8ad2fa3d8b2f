"""A body in wire form, in memory or mapped from a file. Pages are released behind the scan."""

import mmap
from collections.abc import Iterator

from varco_common.mime.byte_search import find_marked

PIECE = 1 << 20  # bytes that are read at once
_WINDOW = 4 << 20  # mapped bytes that may stay resident
_PAGE = mmap.PAGESIZE


class Buffer:
    """Searches and slices one body.

    A mapped file must not change: pages are dropped and read again.
    """

    __slots__ = ("_mapped", "_touched", "data", "size")

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.size = len(data)
        self._mapped = data if isinstance(data, mmap.mmap) else None
        self._touched = 0

    def find(self, needle: bytes, start: int, end: int, mark: int = 0) -> int:
        """Offset of the first `needle` that lies within [start, end), or -1.

        The search is faster if `needle[mark]` is rare in the body.
        """
        if self._mapped is None or end - start <= _WINDOW:
            return find_marked(self.data, needle, mark, start, end) if mark else self.data.find(needle, start, end)
        overlap = len(needle) - 1
        for low in range(start, end, _WINDOW):
            at = find_marked(self._mapped, needle, mark, low, min(low + _WINDOW + overlap, end))
            self._release(low, at if at >= 0 else low + _WINDOW)
            if at >= 0:
                return at
        return -1

    def slice(self, start: int, end: int) -> bytes:
        return self.data[start:end]

    def pieces(self, start: int, end: int, size: int = PIECE) -> Iterator[bytes]:
        """Yields the bytes of [start, end) in pieces. None ends between CR and LF."""
        while start < end:
            stop = min(start + size, end)
            if stop < end and self.data[stop - 1] == 13:
                stop -= 1
            yield self.data[start:stop]
            self._release(start, stop)
            start = stop

    def lines(self, start: int, end: int) -> Iterator[bytes]:
        """Yields pieces that end at line ends, each with the two bytes before it.

        So the start of a line is always CRLF + line. A line longer than a piece is cut, but never
        inside a quoted-printable `=XX`.
        """
        while start < end:
            stop = min(start + PIECE, end)
            piece = self.data[max(start - 2, 0) : stop]
            if stop < end:
                cut = piece.rfind(b"\r\n", 3) + 2
                cut = cut if cut > 2 else _safe_cut(piece)
                stop -= len(piece) - cut
                piece = piece[:cut]
            yield piece
            self._release(start, stop)
            start = stop

    def _release(self, start: int, stop: int) -> None:
        """Releases the pages read so far, once they are worth a system call."""
        if self._mapped is None:
            return
        self._touched = low = min(self._touched, start)
        length = stop // _PAGE * _PAGE - low // _PAGE * _PAGE
        if length >= _WINDOW // 2:
            self._mapped.madvise(mmap.MADV_DONTNEED, low // _PAGE * _PAGE, length)
            self._touched = stop


def _safe_cut(piece: bytes) -> int:
    tail = piece[-2:]
    at = max(tail.rfind(b"="), tail.rfind(b"\r"))
    return len(piece) - (len(tail) - at if at >= 0 else 0)
