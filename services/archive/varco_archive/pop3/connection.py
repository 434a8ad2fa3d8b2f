"""The bytes of one POP3 session: command lines in, replies out, within bounds of time and size."""

import asyncio
import ssl

MAX_COMMAND = 255  # RFC 2449 4
MAX_LINE = 12_288  # RFC 5034 4: a SASL initial response or its continuation
MAX_UNSENT = 256 * 1024  # bytes in the write buffer above which the session waits for the client


class LineTooLong(Exception):
    """The client sent a line longer than MAX_LINE. The connection is unusable afterwards."""


class Pop3Connection:
    """Raises EOFError when the client is gone, TimeoutError when it is too slow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def tls(self) -> str:
        """The version of the protocol; empty when the connection is not encrypted."""
        connection: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return (connection.version() or "TLS") if connection else ""

    async def read_line(self, seconds: float) -> bytes:
        """Returns the next line without its end. Raises LineTooLong."""
        async with asyncio.timeout(seconds):
            try:
                line = await self._reader.readuntil(b"\n")
            except (asyncio.IncompleteReadError, OSError) as error:
                raise EOFError from error
            except asyncio.LimitOverrunError as error:
                raise LineTooLong from error
        return line.rstrip(b"\r\n")

    def write(self, *pieces: bytes) -> None:
        """Queues bytes as they are."""
        self._writer.writelines(pieces)

    async def drain(self, seconds: float) -> None:
        """Waits while more than MAX_UNSENT bytes are queued, `seconds` at most."""
        transport = self._writer.transport
        if transport.is_closing():
            raise EOFError
        if transport.get_write_buffer_size() > MAX_UNSENT:
            try:
                async with asyncio.timeout(seconds):
                    await self._writer.drain()
            except OSError as error:
                raise EOFError from error

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> bool:
        """Starts TLS; False when the handshake fails or bytes were sent in clear behind STLS.

        Such bytes could come from an attacker, so they are never taken for commands.
        """
        try:
            await self._writer.drain()
            await self._writer.start_tls(context, ssl_handshake_timeout=seconds)
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            return False
        if self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - no public way to see it
            return False
        # without this the reader would pause the transport below TLS
        self._reader._transport = self._writer.transport  # type: ignore[attr-defined]  # noqa: SLF001
        return True

    def close(self) -> None:
        """Closes after the queued bytes are sent."""
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()
