"""A stream's snapshot in pieces:

JetStream sends one after the other, and waits for a reply to each.
"""

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
    """Yields JetStream's answer and the pieces.

    A snapshot that breaks off raises TransientError.
    """
    arrived: asyncio.Queue[Piece] = asyncio.Queue()
    inbox = connection.new_inbox()
    subscription = connection.subscribe(
        inbox, lambda _, reply, headers, payload: arrived.put_nowait((reply, headers, payload))
    )
    try:
        await connection.settled()
        question = {"deliver_subject": inbox, "no_consumers": False, "chunk_size": CHUNK_BYTES, "jsck": True}
        about = await jetstream.api(connection, f"STREAM.SNAPSHOT.{stream}", question, timeout=_SILENCE_SECONDS)
        yield about, _pieces(connection, stream, arrived)
    finally:
        connection.unsubscribe(subscription)


async def _pieces(connection: NatsConnection, stream: str, arrived: "asyncio.Queue[Piece]") -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                reply, headers, payload = await arrived.get()
        except TimeoutError:
            raise TransientError(f"the snapshot of {stream} broke off") from None
        if not payload:
            if (code := status(headers)) and code >= 300:
                raise TransientError(f"the snapshot of {stream} failed: {headers.decode(errors='replace').split()}")
            return
        yield payload
        if reply:  # JetStream sends the next pieces after this
            connection.publish(reply.decode(), b"")


async def upload(connection: NatsConnection, stream: str, about: dict[str, Any], pieces: AsyncIterable[bytes]) -> None:
    """Creates `stream` from the pieces of a snapshot.

    Raises ApiError if JetStream cannot read them.
    """
    to = (await jetstream.api(connection, f"STREAM.RESTORE.{stream}", about, timeout=_SILENCE_SECONDS))[
        "deliver_subject"
    ]
    async for piece in pieces:
        await _send(connection, to, piece)
    await _send(connection, to, b"")


async def _send(connection: NatsConnection, subject: str, piece: bytes) -> None:
    """Sends one piece. JetStream replies with nothing, or with an error."""
    headers, answer = await connection.request(subject, piece, timeout=_SILENCE_SECONDS)
    if headers:
        raise TransientError(f"JetStream does not answer at {subject} ({status(headers)})")
    if answer and (answered := msgspec.json.decode(answer, type=jetstream.ErrorAnswer)).error:
        raise jetstream.ApiError(answered.error)
