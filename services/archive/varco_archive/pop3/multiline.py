"""Bodies of multi-line replies: the part that TOP asks for, and the final dot. Pure."""

from collections.abc import AsyncIterator

EMPTY_LINE = b"\r\n\r\n"


async def top(chunks: AsyncIterator[bytes], lines: int) -> AsyncIterator[bytes]:
    """Yields the header, the empty line and `lines` lines of the body (RFC 1939 7).

    Reads no further.
    """
    head = b""
    in_body = False
    async for chunk in chunks:
        piece = chunk
        if not in_body:
            head += chunk
            end = head.find(EMPTY_LINE)
            if end < 0:
                continue
            in_body = True
            yield head[: end + len(EMPTY_LINE)]
            piece = head[end + len(EMPTY_LINE) :]
        end = _end_of_lines(piece, lines)
        lines -= piece.count(b"\n", 0, end)
        yield piece[:end]
        if not lines:
            return
    if not in_body:
        yield head


def _end_of_lines(piece: bytes, lines: int) -> int:
    """The offset behind the first `lines` lines; the length of a piece that has fewer."""
    end = 0
    for _ in range(lines):
        end = piece.find(b"\n", end) + 1
        if not end:
            return len(piece)
    return end


async def terminated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yields the chunks, then the final dot on a line of its own (RFC 1939 3)."""
    tail = b"\r\n"
    async for chunk in chunks:
        tail = (tail + chunk)[-2:]
        yield chunk
    yield b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n"
