"""A POP3 client that sends and receives byte for byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from .conftest import LOGIN, PASSWORD, Gate


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> str:
        """The next line with its end; empty when the server has closed the connection."""
        async with asyncio.timeout(60):
            return (await self.reader.readline()).decode()

    async def command(self, *lines: str) -> str:
        """Sends all lines in one piece; returns the first reply."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        return await self.line()

    async def multiline(self, line: str) -> list[str]:
        """The lines of a multi-line reply, without status and final dot."""
        assert (await self.command(line)).startswith("+OK")
        lines = []
        while (reply := await self.line()) != ".\r\n":
            lines.append(reply.rstrip("\r\n"))
        return lines

    async def start_tls(self, context: ssl.SSLContext) -> None:
        assert (await self.command("STLS")).startswith("+OK")
        await self.writer.start_tls(context, server_hostname="localhost")

    async def log_in(self, login: str = LOGIN, password: str = PASSWORD) -> str:
        """The reply to PASS."""
        assert (await self.command(f"USER {login}")).startswith("+OK")
        return await self.command(f"PASS {password}")


@asynccontextmanager
async def connected(gate: Gate, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    """A client at that address that has read the greeting."""
    client = Client(*await asyncio.open_connection("127.0.0.1", gate.pop3, local_addr=(host, 0)))
    try:
        assert (await client.line()).startswith("+OK")
        yield client
    finally:
        client.writer.close()
        with suppress(OSError):
            await client.writer.wait_closed()


@asynccontextmanager
async def logged_in(gate: Gate) -> AsyncIterator[Client]:
    async with connected(gate) as client:
        await client.start_tls(gate.trusting)
        assert (await client.log_in()).startswith("+OK")
        yield client
