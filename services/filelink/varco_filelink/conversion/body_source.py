"""Reads a stored body by offsets, from its record or from the object store."""

from collections.abc import AsyncIterator
from typing import Protocol

from varco_common.mail.record import BodyReference
from varco_common.storage.object_store import ObjectStore

CHUNK_BYTES = 512 * 1024


class BodySource(Protocol):
    """A body in wire form."""

    size: int

    async def read(self, start: int, end: int) -> bytes: ...
    def stream(self) -> AsyncIterator[bytes]: ...


class InlineBody:
    """In memory."""

    def __init__(self, body: bytes) -> None:
        self._body, self.size = body, len(body)

    async def read(self, start: int, end: int) -> bytes:
        return self._body[max(start, 0) : end]

    async def stream(self) -> AsyncIterator[bytes]:
        for start in range(0, self.size, CHUNK_BYTES):
            yield self._body[start : start + CHUNK_BYTES]


class StoredBody:
    """In the object store."""

    def __init__(self, objects: ObjectStore, key: str, size: int) -> None:
        self._objects, self._key, self.size = objects, key, size

    async def read(self, start: int, end: int) -> bytes:
        start, end = max(start, 0), min(end, self.size)
        if end <= start:
            return b""
        return b"".join([piece async for piece in self._objects.stream(self._key, start=start, length=end - start)])

    def stream(self) -> AsyncIterator[bytes]:
        return self._objects.stream(self._key, CHUNK_BYTES)


def body_source(body: BodyReference, inline: bytes, objects: ObjectStore) -> BodySource:
    return StoredBody(objects, body.object, body.size) if body.object else InlineBody(inline)
