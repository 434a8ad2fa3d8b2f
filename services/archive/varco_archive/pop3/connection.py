"""The bytes of one POP3 session: command lines in, replies out, within bounds of time and size."""

import asyncio
import socket
import ssl
from typing import Self

MAX_COMMAND = 255  # RFC 2449 4
MAX_LINE = 12_288  # RFC 5034 4: a SASL initial response or its continuation
MAX_UNSENT = 256 * 1024  # bytes in the write buffer above which the session waits for the client


class LineTooLong(Exception):
    """The client sent a line longer than MAX_LINE. The connection is unusable afterwards."""


class Pop3Connection:
    """Raises EOFError when the client is gone, TimeoutError when it is too slow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._clear_writer: asyncio.StreamWriter | None = None  # its end would close the connection below TLS

    @classmethod
    async def open(cls, accepted: socket.socket, context: ssl.SSLContext | None, seconds: float) -> Self:
        """An accepted connection, after the handshake if there is a context.

        Raises OSError, TimeoutError.
        """
        streams = _Streams()
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: streams.protocol, accepted, ssl=context, ssl_handshake_timeout=seconds if context else None
        )
        return cls(streams.reader, await streams.writer)

    @property
    def tls(self) -> str:
        """The version of the protocol; empty when the connection is not encrypted."""
        return (self.ssl_object.version() or "TLS") if self.ssl_object else ""

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """None when the connection is not encrypted."""
        connection: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return connection

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
        streams = _Streams()
        try:
            await self._writer.drain()
            transport = await asyncio.get_running_loop().start_tls(
                self._writer.transport, streams.protocol, context, server_side=True, ssl_handshake_timeout=seconds
            )
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            return False
        if not transport or await _has_unread(self._reader):
            return False
        streams.protocol.connection_made(transport)
        self._clear_writer, self._reader, self._writer = self._writer, streams.reader, await streams.writer
        return True

    def close(self) -> None:
        """Closes after the queued bytes are sent."""
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


class _Streams:
    """A reader and a writer over whatever transport the protocol is given."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=MAX_LINE)
        self.writer: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        self.protocol = asyncio.StreamReaderProtocol(self.reader, lambda _, writer: self.writer.set_result(writer))


async def _has_unread(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0):
            return bool(await reader.read(1))
    except TimeoutError:
        return False
