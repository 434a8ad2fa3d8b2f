"""Reads a copy: the envelope in header fields, then the mail from MAIL or from the object store."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from varco_archive.rendered_copy import envelope_fields
from varco_common.bus import Bus
from varco_common.mail.record import MailRecord
from varco_common.storage.object_store import ObjectStore


class CopyReader:
    """Copies are addressed by their sequence in MAIL."""

    def __init__(self, bus: Bus, objects: ObjectStore) -> None:
        self._bus, self.objects = bus, objects

    async def read(self, sequence: int) -> AsyncGenerator[bytes, None]:
        """Yields the copy in wire form, at least one chunk.

        Raises PoisonError before the first if it is gone.
        """
        record, chunks = await self.read_mail(sequence)
        async with aclosing(chunks):
            yield envelope_fields(record.envelope) + await anext(chunks, b"")
            async for chunk in chunks:
                yield chunk

    async def read_mail(self, sequence: int) -> tuple[MailRecord, AsyncGenerator[bytes, None]]:
        """Returns the record, and the mail in chunks without the envelope's fields."""
        stored = await self._bus.mail.get(sequence)
        return stored.record, self._chunks(stored.record.body.object, stored.body)

    async def _chunks(self, key: str, inline: bytes) -> AsyncGenerator[bytes, None]:
        if not key:
            yield inline
            return
        async for chunk in self.objects.stream(key):
            yield chunk


async def unstuffed(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Takes a mail out of wire form: removes the dots added at line starts (RFC 5321 4.5.2)."""
    rest = b"\r\n"  # so that a dot at the very start is seen; removed again below
    begun = False
    async for chunk in chunks:
        text = rest + chunk
        end = len(text) - next((n for n in (3, 2, 1) if text.endswith(b"\r\n."[:n])), 0)
        plain = text[:end].replace(b"\r\n..", b"\r\n.")
        rest = text[end:]
        yield plain if begun else plain[2:]
        begun = begun or len(plain) >= 2
    yield rest if begun else rest[2:]
