"""The bytes that a connection has received: whole lines for commands, the raw buffer for bodies."""

import asyncio
from enum import Enum

BODY_BYTES = 262_144  # unread bytes of a body; reading from the socket pauses at twice as many
COMMAND_BYTES = 32_768  # unread bytes of commands, likewise: what a stranger can make the process hold


class LineError(Enum):
    """Why a line is no command."""

    TOO_LONG = "too long"
    BARE_LINE_END = "bare line end"


class LineReader:
    """Holds what came in. Lines end in CRLF and nothing else (RFC 5321 2.3.8).

    The connection calls `feed` and `feed_eof`. One task at a time may wait in `more`.
    """

    __slots__ = (
        "_limit",
        "_paused",
        "_skipping",
        "_waiter",
        "bare_line",
        "buffer",
        "eof",
        "in_bare_lines",
        "transport",
    )

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.bare_line = b""  # the last line that ended in LF alone, if it was BARE_LINE_END for that only
        self.in_bare_lines = False  # whether the last line ended in LF alone
        self.eof = False
        self.transport: asyncio.Transport | None = None
        self._limit = COMMAND_BYTES
        self._paused = False
        self._skipping = False
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: memoryview) -> None:
        """Appends received bytes. Pauses the transport when more than twice the limit is unread."""
        self.buffer += data
        if len(self.buffer) > 2 * self._limit and self.transport and not self._paused:
            self.transport.pause_reading()
            self._paused = True
        self._wake()

    def feed_eof(self) -> None:
        """No more bytes will come."""
        self.eof = True
        self._wake()

    def take_line(self, limit: int) -> bytes | LineError | None:
        """The next line without its CRLF; None while it is incomplete.

        A line over `limit` bytes is discarded up to its end, however long it is.
        """
        buffer = self.buffer
        end = buffer.find(b"\n")
        if end < 0:
            if self._skipping or len(buffer) > limit:
                self._skipping = True
                self.drop(len(buffer))
            return None
        line = bytes(buffer[: end + 1])
        self.drop(end + 1)
        self.in_bare_lines = not line.endswith(b"\r\n")
        if self._skipping or end >= limit:
            self._skipping = False
            return LineError.TOO_LONG
        if self.in_bare_lines or line.find(b"\r", 0, -2) >= 0:
            self.bare_line = b"" if b"\r" in line else line[:-1]
            return LineError.BARE_LINE_END
        return line[:-2]

    async def line(self, limit: int) -> bytes | LineError:
        """Waits for the next line. Raises EOFError when the client is gone."""
        while (line := self.take_line(limit)) is None:
            await self.more()
        return line

    async def more(self) -> None:
        """Waits until more bytes are in the buffer. Raises EOFError when none will come."""
        size = len(self.buffer)
        while len(self.buffer) == size:
            if self.eof:
                raise EOFError
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def drop(self, count: int) -> None:
        """Removes the first `count` bytes; resumes a paused transport when few are left."""
        del self.buffer[:count]
        if self._paused and len(self.buffer) <= self._limit and self.transport:
            self._paused = False
            self.transport.resume_reading()

    def expect(self, limit: int) -> None:
        """From now on the transport is paused at twice `limit` unread bytes."""
        self._limit = limit

    def move_to(self, transport: asyncio.Transport) -> None:
        """From now on the bytes come from `transport`: the connection has changed to TLS."""
        self.transport = transport
        self._paused = False

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
