"""The bytes of a session as they come in: whole command lines, and a buffer that DATA takes in large pieces."""

import asyncio
from enum import Enum

BUFFER = 262_144  # bytes of a body; reading stops at twice as many
COMMANDS = 32_768  # bytes of commands, likewise: what a stranger may make the process hold


class LineError(Enum):
    """What a command line can be instead of a line."""

    TOO_LONG = "too long"
    BARE_LINE_END = "bare line end"


class LineReader(asyncio.StreamReader):
    """A stream reader that knows SMTP's lines: they end in CRLF and nothing else (RFC 5321 2.3.8)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=COMMANDS, loop=loop)
        self.buffer: bytearray = self._buffer  # type: ignore[attr-defined]

    async def line(self, limit: int) -> bytes | LineError:
        """The next line without its end. At most `limit` bytes; a longer one is read to its end and thrown away.

        Raises EOFError when the client has gone.
        """
        buffer = self.buffer
        while (end := buffer.find(b"\n")) < 0:
            if len(buffer) > limit:
                return await self._skip_line()
            await self.more()
        line = bytes(buffer[: end + 1])
        self.drop(end + 1)
        if not line.endswith(b"\r\n") or line.find(b"\r", 0, -2) >= 0:
            return LineError.BARE_LINE_END
        return line[:-2] if end < limit else LineError.TOO_LONG

    async def _skip_line(self) -> LineError:
        while (end := self.buffer.find(b"\n")) < 0:
            self.drop(len(self.buffer))
            await self.more()
        self.drop(end + 1)
        return LineError.TOO_LONG

    async def more(self) -> None:
        """Waits until the buffer has grown. Raises EOFError when it never will."""
        if error := self.exception():
            raise EOFError from error
        if self._eof:  # type: ignore[attr-defined]
            raise EOFError
        size = len(self.buffer)
        await self._wait_for_data("more")  # type: ignore[attr-defined]
        if len(self.buffer) == size:
            await self.more()

    def drop(self, count: int) -> None:
        """Forgets the first `count` bytes, and reads on where the buffer had been full."""
        del self.buffer[:count]
        self._maybe_resume_transport()  # type: ignore[attr-defined]

    def expect(self, size: int) -> None:
        """So many bytes, and as many again, may wait here from now on."""
        self._limit = size

    def forget(self) -> None:
        """Gives the memory back: sessions are cycles, and the garbage collector comes by seldom."""
        self.buffer.clear()

    def moved(self, transport: asyncio.BaseTransport) -> None:
        """From now on the bytes come from this transport: the session has gone over to TLS."""
        self._transport = transport
        self._paused = False
