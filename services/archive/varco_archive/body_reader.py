"""A copy's text: its envelope's fields, then the mail from where it lies, in the bus or in the object store."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from varco_archive.rendered_copy import envelope_fields
from varco_common.bus import Bus
from varco_common.mail.record import MailRecord
from varco_common.storage.object_store import ObjectStore


class BodyReader:
    """Reads copies by their sequence in MAIL."""

    def __init__(self, bus: Bus, blobs: ObjectStore) -> None:
        self._bus, self.blobs = bus, blobs

    async def read(self, sequence: int) -> AsyncGenerator[bytes, None]:
        """The copy in wire form, in chunks; never empty. Raises PoisonError before the first where it is gone."""
        record, chunks = await self.mail(sequence)
        async with aclosing(chunks):
            first = await anext(chunks, b"")
            yield envelope_fields(record.envelope) + first
            async for chunk in chunks:
                yield chunk

    async def mail(self, sequence: int) -> tuple[MailRecord, AsyncGenerator[bytes, None]]:
        """The record, and its mail in chunks."""
        stored = await self._bus.mail.get(sequence)
        if key := stored.record.body.object:
            return stored.record, self._streamed(key)
        return stored.record, _one(stored.body)

    async def _streamed(self, key: str) -> AsyncGenerator[bytes, None]:
        async for chunk in self.blobs.stream(key):
            yield chunk


async def _one(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def unstuffed(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Out of wire form: the dots that were added at the beginning of lines are taken away (RFC 5321 4.5.2)."""
    kept = b"\r\n"
    begun = False
    async for chunk in chunks:
        text = kept + chunk
        cut = len(text) - next((n for n in (3, 2, 1) if text.endswith(b"\r\n."[:n])), 0)
        done = text[:cut].replace(b"\r\n..", b"\r\n.")
        kept = text[cut:]
        yield done if begun else done[2:]
        begun = begun or len(done) >= 2
    yield kept if begun else kept[2:]
