"""Reads a body to its end mark, CRLF.CRLF and nothing else (RFC 5321 4.1.1.4), in large pieces.

Only where a network's rule says `normalise`, and the client's own DATA ended in a bare LF, its line
with a lone dot may end in a bare LF, too. So in a session that speaks CRLF no text can pose as the
end of a mail, whatever a client in front of it lets pass.
"""

import re
from collections.abc import Callable
from enum import Enum

from varco_common.base import log
from varco_common.mime.byte_search import find_marked
from varco_ingress_smtp.smtp.header_repair import HeaderRepair
from varco_ingress_smtp.smtp.line_endings import (
    MAX_LINE,
    LineEndNormaliser,
    LineLengthCheck,
    has_bare_line_end,
    irregular_pieces,
)
from varco_ingress_smtp.smtp.line_reader import BODY_BYTES, COMMAND_BYTES, LineReader
from varco_ingress_smtp.spool import Spool

_log = log.get(__name__)
MAX_DISCARDED = 67_108_864  # bytes of a refused body that are read, so that the client reads the answer
END = b"\r\n.\r\n"
EMPTY = b".\r\n"  # a body without a line: the CRLF before its dot is that of the DATA command
_BARE_END = re.compile(rb"\n\.\r?\n")
_BARE_EMPTY = b".\n"


class BodyFault(Enum):
    """Why a body is refused. It is still read to its end, so that the client reads the answer."""

    TOO_BIG = "too big"
    BARE_LINE_END = "bare line end"
    LINE_TOO_LONG = "line too long"
    NO_ROOM = "no room"


class EndlessBody(Exception):
    """A refused body goes on for more than `discard` bytes."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class BodyOutOfSync(Exception):
    """Reading failed inside a body: the rest must not be read as commands."""


class BodyReader:
    """One body. Sizes are bytes of the wire form; `discard` is how many are read after a fault.

    `normalise` and `domain` are those of the client's network.
    """

    def __init__(
        self, spool: Spool, *, max_size: int, normalise: bool, discard: int, domain: str = "", max_line: int = MAX_LINE
    ) -> None:
        self.spool = spool
        self.fault: BodyFault | None = None
        self.eight_bit = False
        self._max_size = max_size
        self._lengths = LineLengthCheck(max_line)
        self._normaliser = LineEndNormaliser() if normalise else None
        self._header = HeaderRepair(domain)
        self._discard = discard

    async def read(self, reader: LineReader, progress: Callable[[int], None]) -> None:
        """To the end mark; `progress` hears how many bytes have come.

        Raises EOFError when the client goes, EndlessBody and BodyOutOfSync.
        """
        reader.expect(BODY_BYTES)
        try:
            await self._read(reader, progress)
        except (EOFError, ConnectionError, EndlessBody):
            raise
        except Exception as error:
            raise BodyOutOfSync from error
        finally:
            reader.expect(COMMAND_BYTES)

    async def _read(self, reader: LineReader, progress: Callable[[int], None]) -> None:
        buffer, taken, start = reader.buffer, 0, 0
        bare = self._normaliser is not None and reader.in_bare_lines
        if await self._is_empty(reader, (EMPTY, _BARE_EMPTY) if bare else (EMPTY,)):
            return
        while (end := _end_of_text(buffer, start, bare=bare)) < 0:
            if len(buffer) >= BODY_BYTES:
                cut = len(buffer) - len(END) + 1
                cut -= buffer[cut - 1] == 13  # never between CR and LF
                self._take(reader, cut)
                taken += cut
            start = max(len(buffer) - len(END) + 1, 0)
            await reader.more()
            progress(taken + len(buffer))
        self._take(reader, end)
        reader.drop(buffer.find(b"\n") + 1)  # the line with the dot
        if self._normaliser and not self.fault:
            self._store(self._header.feed(self._normaliser.end()) + self._header.end())

    @staticmethod
    async def _is_empty(reader: LineReader, marks: tuple[bytes, ...]) -> bool:
        """Whether the body ends before its first line."""
        buffer = reader.buffer
        while any(len(buffer) < len(mark) and mark.startswith(buffer) for mark in marks):
            await reader.more()
        for mark in marks:
            if buffer.startswith(mark):
                reader.drop(len(mark))
                return True
        return False

    def _take(self, reader: LineReader, count: int) -> None:
        chunk = bytes(memoryview(reader.buffer)[:count])
        reader.drop(count)
        if self.fault:
            self._discard -= count
            if self._discard < 0:
                raise EndlessBody(self.fault)
        elif self._normaliser:
            self._store(self._header.feed(self._normaliser.feed(chunk)))
            if self._normaliser.pending > BODY_BYTES:
                self._refuse(BodyFault.LINE_TOO_LONG)
        elif any(map(has_bare_line_end, pieces := irregular_pieces(chunk))):
            self._refuse(BodyFault.BARE_LINE_END)
        else:
            self._store(chunk, pieces)

    def _store(self, chunk: bytes, pieces: tuple[bytes, ...] = ()) -> None:
        """`pieces` are the parts of the chunk with lines that may be too long; none: all of it."""
        for piece in pieces or (chunk,):
            self._lengths.feed(piece)
        if self._lengths.too_long:
            self._refuse(BodyFault.LINE_TOO_LONG)
        elif self.spool.size + len(chunk) > self._max_size:
            self._refuse(BodyFault.TOO_BIG)
        else:
            self.eight_bit = self.eight_bit or not chunk.isascii()
            self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        try:
            self.spool.write(chunk)
        except OSError as error:
            _log.error("a body can't be written to disk", error=str(error))
            self._refuse(BodyFault.NO_ROOM)

    def _refuse(self, fault: BodyFault) -> None:
        self.fault = fault
        self.spool.clear()


def _end_of_text(buffer: bytearray, start: int, *, bare: bool) -> int:
    """Where the line with the lone dot begins; -1 if it has not come yet."""
    if bare:
        match = _BARE_END.search(buffer, start)
        return match.start() + 1 if match else -1
    end = find_marked(buffer, END, END.index(b"."), start, len(buffer))
    return end + 2 if end >= 0 else -1
