"""Cuts and ends bodies that come in chunks: TOP's few lines, and the line that ends every answer of several. Pure."""

from collections.abc import AsyncIterator

EMPTY_LINE = b"\r\n\r\n"


async def top(chunks: AsyncIterator[bytes], lines: int) -> AsyncIterator[bytes]:
    """The header, the empty line behind it, and so many lines of the body (RFC 1939 7); reads no further."""
    head = b""
    body = False
    async for chunk in chunks:
        piece = chunk
        if not body:
            head += chunk
            end = head.find(EMPTY_LINE)
            if end < 0:
                continue
            body = True
            yield head[: end + len(EMPTY_LINE)]
            piece = head[end + len(EMPTY_LINE) :]
        taken = _lines(piece, lines)
        lines -= piece.count(b"\n", 0, taken)
        yield piece[:taken]
        if not lines:
            return
    if not body:
        yield head


def _lines(piece: bytes, lines: int) -> int:
    """Where so many lines end; all of it where it has fewer."""
    end = 0
    for _ in range(lines):
        end = piece.find(b"\n", end) + 1
        if not end:
            return len(piece)
    return end


async def ended(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, then the final dot on a line of its own (RFC 1939 3)."""
    tail = b"\r\n"
    async for chunk in chunks:
        tail = (tail + chunk)[-2:]
        yield chunk
    yield b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n"
