"""A raw SMTP client for tests, which sends and reads byte for byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

TEXT = b"From: alice@acme.example\r\nSubject: hi\r\n\r\nHello\r\n"
_SECONDS = 60.0


class Client:
    """One SMTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def open(
        cls, port: int, tls: ssl.SSLContext | None = None, name: str = "gate.example"
    ) -> AsyncIterator["Client"]:
        """Connects; the greeting is not read yet."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name if tls else None, limit=1 << 20
        )
        client = cls(reader, writer)
        try:
            yield client
        finally:
            client.writer.close()
            with suppress(OSError):
                await client.writer.wait_closed()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> str:
        """One reply with all its lines; empty when the connection is closed."""
        lines = []
        async with asyncio.timeout(_SECONDS):
            while line := await self.reader.readline():
                lines.append(line.decode())
                if line[3:4] == b" ":
                    break
        return "".join(lines)

    async def say(self, line: str | bytes) -> str:
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.reply()

    async def hello(self) -> "Client":
        """Reads the greeting and sends EHLO."""
        assert (await self.reply()).startswith("220 ")
        assert (await self.say("EHLO client.example")).startswith("250-")
        return self

    async def start_tls(self, tls: ssl.SSLContext, name: str = "gate.example") -> None:
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self.writer.start_tls(tls, server_hostname=name)

    async def envelope(self, sender: str = "alice@acme.example", *recipients: str) -> None:
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith("250 ")
        for recipient in recipients or ("bob@remote.example",):
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250 ")

    async def data(self, body: bytes = TEXT) -> str:
        """Sends DATA and a body in wire form; returns the answer."""
        assert (await self.say("DATA")).startswith("354 ")
        self.send(body + b".\r\n")
        return await self.reply()

    async def mail(self, body: bytes = TEXT) -> str:
        await self.envelope()
        return await self.data(body)
