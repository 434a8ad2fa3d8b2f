"""Answers that consist of lines of JSON."""

from collections.abc import AsyncIterator

MEDIA_TYPE = "application/x-ndjson"
_CHUNK = 64 * 1024


async def in_chunks(lines: AsyncIterator[tuple[bytes, bool]]) -> AsyncIterator[bytes]:
    """Joins lines into chunks. Each comes with True if the next line may take a while."""
    chunk: list[bytes] = []
    size = 0
    async for line, pause in lines:
        chunk.append(line)
        size += len(line)
        if pause or size > _CHUNK:
            yield b"".join(chunk)
            chunk, size = [], 0
    yield b"".join(chunk)
