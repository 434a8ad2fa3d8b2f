"""Requests of the supervisor to the services of its own gate.

A library for HTTP would take 8 MB of a process that runs for ever and asks a dozen times.
"""

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

SECONDS = 30.0


class LocalAnswer(NamedTuple):
    """The status and the body of a response."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


async def request(
    method: str, url: str, *, token: str = "", json: object = None, seconds: float = SECONDS
) -> LocalAnswer:
    """Sends a request of HTTP/1.0, whose response ends with the connection.

    Raises OSError, TimeoutError or ValueError where no response comes.
    """
    parts = urlsplit(url)
    body = b"" if json is None else msgspec.json.encode(json)
    head = {"Host": parts.netloc, "Content-Type": "application/json", "Content-Length": str(len(body))}
    if token:
        head["Authorization"] = f"Bearer {token}"
    lines = [f"{method} {parts.path} HTTP/1.0", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write("\r\n".join(lines).encode() + body)
            response = await reader.read()
        finally:
            writer.close()
    top, _, content = response.partition(b"\r\n\r\n")
    if not top.startswith(b"HTTP/"):
        raise ValueError(f"{url} closed the connection")
    return LocalAnswer(int(top.split(b" ", 2)[1]), content)
