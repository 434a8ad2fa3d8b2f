"""Reads a body to its end mark, in large pieces; the only end of data is CRLF.CRLF (RFC 5321 4.1.1.4)."""

from collections.abc import Callable
from enum import Enum

from varco_common.base import log
from varco_ingress_smtp.lines import Lengths, Normaliser, bare_ends, doubtful
from varco_ingress_smtp.spool import Spool
from varco_ingress_smtp.wire import BUFFER, COMMANDS, Wire

_log = log.get(__name__)
END = b"\r\n.\r\n"
EMPTY = b".\r\n"  # what ends a body without a single line: the CRLF before it is that of the DATA command


class Fault(Enum):
    """Why a body can't be taken. It is read to its end all the same, so that the client hears why."""

    TOO_BIG = "too big"
    BARE_LINE_END = "bare line end"
    LINE_TOO_LONG = "line too long"
    NO_ROOM = "no room"


class Endless(Exception):
    """The client goes on and on with a body that is refused already."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class OutOfStep(Exception):
    """Reading broke off inside a body: what comes next must not be read as commands."""


class Body:
    """One body on its way in. Sizes in bytes, of the wire form; `discard` is how much is read after a fault."""

    def __init__(self, spool: Spool, *, max_size: int, max_line: int, normalise: bool, discard: int) -> None:
        self.spool = spool
        self.fault: Fault | None = None
        self.eight_bit = False
        self._max_size = max_size
        self._lengths = Lengths(max_line)
        self._normaliser = Normaliser() if normalise else None
        self._discard = discard

    async def read(self, wire: Wire, progress: Callable[[int], None]) -> None:
        """To the end mark; `progress` hears how many bytes have come.

        Raises EOFError when the client goes, Endless, and OutOfStep.
        """
        wire.expect(BUFFER)
        try:
            await self._read(wire, progress)
        except (EOFError, ConnectionError, Endless):
            raise
        except Exception as error:
            raise OutOfStep from error
        finally:
            wire.expect(COMMANDS)

    async def _read(self, wire: Wire, progress: Callable[[int], None]) -> None:
        buffer, taken, start = wire.buffer, 0, 0
        while len(buffer) < len(EMPTY) and EMPTY.startswith(buffer):
            await wire.more()
        if buffer.startswith(EMPTY):
            wire.drop(len(EMPTY))
            return
        while (end := buffer.find(END, start)) < 0:
            if len(buffer) >= BUFFER:
                cut = len(buffer) - len(END) + 1
                cut -= buffer[cut - 1] == 13  # never between CR and LF
                self._take(wire, cut)
                taken += cut
            start = max(len(buffer) - len(END) + 1, 0)
            await wire.more()
            progress(taken + len(buffer))
        self._take(wire, end + 2)
        wire.drop(len(END) - 2)
        if self._normaliser and not self.fault:
            self._keep(self._normaliser.end())

    def _take(self, wire: Wire, count: int) -> None:
        chunk = bytes(memoryview(wire.buffer)[:count])
        wire.drop(count)
        if self.fault:
            self._discard -= count
            if self._discard < 0:
                raise Endless(self.fault)
        elif self._normaliser:
            self._keep(self._normaliser.feed(chunk))
            if self._normaliser.held > BUFFER:
                self._refuse(Fault.LINE_TOO_LONG)
        elif any(map(bare_ends, pieces := doubtful(chunk))):
            self._refuse(Fault.BARE_LINE_END)
        else:
            self._keep(chunk, pieces)

    def _keep(self, chunk: bytes, pieces: tuple[bytes, ...] = ()) -> None:
        """`pieces` of the chunk are those whose lines could be too long, where that is known."""
        for piece in pieces or (chunk,):
            self._lengths.feed(piece)
        if self._lengths.too_long:
            self._refuse(Fault.LINE_TOO_LONG)
        elif self.spool.size + len(chunk) > self._max_size:
            self._refuse(Fault.TOO_BIG)
        else:
            self.eight_bit = self.eight_bit or not chunk.isascii()
            self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        try:
            self.spool.write(chunk)
        except OSError as error:
            _log.error("a body finds no room", error=str(error))
            self._refuse(Fault.NO_ROOM)

    def _refuse(self, fault: Fault) -> None:
        self.fault = fault
        self.spool.clear()
