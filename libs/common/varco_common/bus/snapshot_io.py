"""A stream's snapshot in pieces: JetStream sends them one behind the other, and waits for what it is told of each."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import msgspec

from varco_common.base.errors import TransientError
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import status

CHUNK_BYTES = 512 * 1024
_SILENCE_SECONDS = 60.0

Piece = tuple[bytes, bytes, bytes]  # reply subject, headers, payload


@contextlib.asynccontextmanager
async def download(
    connection: NatsConnection, stream: str
) -> AsyncIterator[tuple[dict[str, Any], AsyncIterator[bytes]]]:
    """JetStream's answer, and the pieces. What the bus doesn't bring to its end is a TransientError."""
    arrived: asyncio.Queue[Piece] = asyncio.Queue()
    inbox = connection.new_inbox()
    sid = connection.subscribe(inbox, lambda _, reply, headers, payload: arrived.put_nowait((reply, headers, payload)))
    try:
        await connection.settled()
        question = {"deliver_subject": inbox, "no_consumers": False, "chunk_size": CHUNK_BYTES, "jsck": True}
        about = await jetstream.api(connection, f"STREAM.SNAPSHOT.{stream}", question, timeout=_SILENCE_SECONDS)
        yield about, _pieces(connection, stream, arrived)
    finally:
        connection.unsubscribe(sid)


async def _pieces(connection: NatsConnection, stream: str, arrived: "asyncio.Queue[Piece]") -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                reply, headers, payload = await arrived.get()
        except TimeoutError:
            raise TransientError(f"the snapshot of {stream} came to no end") from None
        if not payload:
            if (code := status(headers)) and code >= 300:
                raise TransientError(f"the snapshot of {stream} failed: {headers.decode(errors='replace').split()}")
            return
        yield payload
        if reply:  # more may be on its way
            connection.publish(reply.decode(), b"")


async def upload(connection: NatsConnection, stream: str, about: dict[str, Any], pieces: AsyncIterable[bytes]) -> None:
    """Makes `stream` from the pieces of a snapshot. Raises ApiError where JetStream can't read them."""
    to = (await jetstream.api(connection, f"STREAM.RESTORE.{stream}", about, timeout=_SILENCE_SECONDS))[
        "deliver_subject"
    ]
    async for piece in pieces:
        await _say(connection, to, piece)
    await _say(connection, to, b"")


async def _say(connection: NatsConnection, subject: str, piece: bytes) -> None:
    """JetStream answers each piece with nothing, or with an error."""
    headers, answer = await connection.request(subject, piece, timeout=_SILENCE_SECONDS)
    if headers:
        raise TransientError(f"nobody restores at {subject} ({status(headers)})")
    if answer and (refused := msgspec.json.decode(answer, type=jetstream.PublishRefused)).error:
        raise jetstream.ApiError(refused.error)
