"""A POP3 session's bytes: command lines in, answers out, both within bounds of time and size."""

import asyncio
import ssl

MAX_COMMAND = 255  # RFC 2449 4
MAX_LINE = 12_288  # RFC 5034 4: what an initial response or its continuation may take
UNSENT = 256 * 1024  # bytes that may wait for the client before the session does


class Line(bytes):
    """A line without its end."""


class LineTooLong(Exception):
    """A line longer than any command."""


class Pop3Connection:
    """One connection. Raises EOFError when the client has gone, TimeoutError when it is too slow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def tls(self) -> str:
        """The protocol's version; empty in clear."""
        connection: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return (connection.version() or "TLS") if connection else ""

    async def line(self, seconds: float) -> bytes:
        """The next line without its end. Raises TooLong, after which the connection is of no use."""
        async with asyncio.timeout(seconds):
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                raise EOFError from error
            except asyncio.LimitOverrunError as error:
                raise LineTooLong from error
            except OSError as error:
                raise EOFError from error
        return line.rstrip(b"\r\n")

    def say(self, *pieces: bytes) -> None:
        """Queues bytes as they are."""
        self._writer.writelines(pieces)

    async def drain(self, seconds: float, unsent: int = UNSENT) -> None:
        """Waits while more than `unsent` bytes wait for the client; at most so long for the next piece to leave."""
        transport = self._writer.transport
        if transport.is_closing():
            raise EOFError
        if transport.get_write_buffer_size() > unsent:
            try:
                async with asyncio.timeout(seconds):
                    await self._writer.drain()
            except OSError as error:
                raise EOFError from error

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> bool:
        """Whether the session goes on inside TLS. What was sent in clear behind STLS is never taken for commands."""
        try:
            await self._writer.drain()
            await self._writer.start_tls(context, ssl_handshake_timeout=seconds)
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            return False
        if self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else tells
            return False
        self._reader._transport = self._writer.transport  # type: ignore[attr-defined]  # noqa: SLF001 - to be paused
        return True

    def close(self) -> None:
        """What was written still leaves."""
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()
