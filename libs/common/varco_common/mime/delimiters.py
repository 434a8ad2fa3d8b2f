"""Which lines end a part: the open boundaries, and the next delimiter behind a place."""

from typing import NamedTuple

from varco_common.mime.buffer import Buffer
from varco_common.mime.content import MAX_BOUNDARY
from varco_common.mime.defects import Defect, Defects

_MAX_LINE = 4 * MAX_BOUNDARY  # of a line that is compared
_HYPHEN = 2  # its place in the needle: base64 has none
_MAX_CANDIDATES = 100_000  # lines that look like delimiters


class Delimiter(NamedTuple):
    """A delimiter, or the end of the mail (level -1).

    `start` is its CRLF, which belongs to it (RFC 2046 5.1.1). `end` is the start of the next line.
    """

    start: int
    end: int
    level: int
    closes: bool


class Delimiters:
    """The open boundaries by level, and the closed ones that clients may still look for."""

    def __init__(self, body: Buffer, defects: Defects) -> None:
        self._body = body
        self._defects = defects
        self._open: dict[bytes, int] = {}
        self._closed: dict[bytes, int] = {}
        self._needle = b""
        self._candidates = 0

    def open(self, boundary: bytes, level: int) -> None:
        if boundary in self._open:
            self._defects.add(Defect.BOUNDARY_REUSED)
            return
        for other in self._open:
            if other.startswith(boundary) or boundary.startswith(other):
                self._defects.add(Defect.BOUNDARY_PREFIX)
        self._closed.pop(boundary, None)  # a mail that is attached twice has its boundaries twice
        self._open[boundary] = level
        self._prepare()

    def close(self, level: int) -> None:
        """The closing delimiter of this level's multipart has passed."""
        for boundary in [b for b, place in self._open.items() if place == level]:
            del self._open[boundary]
            self._closed[boundary] = level

    def leave(self, level: int) -> None:
        """An outer delimiter has passed: this level and those within it are over."""
        self._open = {boundary: place for boundary, place in self._open.items() if place < level}
        self._closed = {boundary: place for boundary, place in self._closed.items() if place < level}
        self._prepare()

    def _prepare(self) -> None:
        """Sets the needle: the common start of all boundaries, which few other lines have."""
        boundaries = [*self._open, *self._closed]
        self._needle = b"\r\n--" + _common_start(boundaries)[: _MAX_LINE // 2] if boundaries else b""

    def next(self, start: int, stop: int) -> Delimiter | None:
        """The first delimiter whose CRLF is in [start, stop)."""
        if not self._needle:
            return None
        stop = min(stop + len(self._needle) - 1, self._body.size)
        at = self._body.find(self._needle, start, stop, _HYPHEN)
        while at >= 0:
            end = self._body.find(b"\r\n", at + 2, min(at + _MAX_LINE, self._body.size))
            whole = end if end >= 0 else min(at + _MAX_LINE, self._body.size)
            match = self._match(self._body.slice(at + 4, whole))
            if match is not None:
                return Delimiter(at, end + 2 if end >= 0 else whole, *match)
            self._candidates += 1
            if self._candidates > _MAX_CANDIDATES:
                self._defects.add(Defect.TOO_MANY_DELIMITERS)
                return None
            at = self._body.find(self._needle, at + 2, stop, _HYPHEN)
        return None

    def _match(self, line: bytes) -> tuple[int, bool] | None:
        """Level of a delimiter without its two hyphens, and whether it closes that.

        None if it is none.
        """
        bare = line.rstrip(b" \t")
        level = self._open.get(bare)
        closes = level is None and bare.endswith(b"--")
        if closes:
            level = self._open.get(bare[:-2])
        if level is not None:
            if bare != line:
                self._defects.add(Defect.DELIMITER_PADDED)
            return level, closes
        # RFC 2046 5.1.1 compares the beginning of the line, most clients the whole line.
        if any(line.startswith(boundary) for boundary in self._open):
            self._defects.add(Defect.DELIMITER_ODD)
        elif any(line.startswith(boundary) for boundary in self._closed):
            self._defects.add(Defect.DELIMITER_AFTER_END)
        return None


def _common_start(values: list[bytes]) -> bytes:
    low, high = min(values), max(values)
    return low[: next((place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]
