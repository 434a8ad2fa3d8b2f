"""Line ends and line lengths of a body: what RFC 5321 allows, found in whole chunks, and mended where a network asks for it."""

import re

MAX_LINE = 1_000  # RFC 5321 4.5.3.1.6, with its CRLF and without the transparent dot

_RUN = 16_384  # bytes from which on it pays to look for lines of one width

_NO_LINE_ENDS = bytes(byte for byte in range(256) if byte not in b"\r\n")
_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONE_DOT = re.compile(rb"^\.(?=\r\n)", re.MULTILINE)


def has_bare_line_end(chunk: bytes) -> bool:
    """Whether a CR or LF stands alone. `chunk` must not end between the two.

    A pair is two bytes and one line end, a bare one is one of each: twice the lines are all the bytes only where all are pairs.
    """
    ends = len(chunk.translate(None, _NO_LINE_ENDS))
    lines = len(chunk.splitlines()) - (not chunk.endswith((b"\r", b"\n")))  # twice as fast as counting CRLF
    return ends != 2 * lines if chunk else False


def irregular_pieces(chunk: bytes) -> tuple[bytes, ...]:
    """What of a chunk must be looked at line by line: all but the lines of one width around its middle, if there are any.

    That is how encoders write base64, and so most bytes of large bodies. The lines left out end in CRLF, hold no other CR or LF
    and are within MAX_LINE; a piece before them ends in CRLF.
    """
    anchor = chunk.find(b"\r\n", len(chunk) // 2) if len(chunk) >= _RUN else -1
    width = chunk.find(b"\r\n", anchor + 2) - anchor
    if anchor < 0 or not 2 <= width <= MAX_LINE:
        return (chunk,)
    before = _pairs(chunk[anchor % width : anchor : width][::-1], chunk[anchor % width + 1 : anchor : width][::-1])
    after = _pairs(chunk[anchor::width], chunk[anchor + 1 :: width])
    start, stop = anchor - before * width, anchor + (after - 1) * width + 2
    if len(chunk[start:stop].translate(None, _NO_LINE_ENDS)) != 2 * (before + after):
        return (chunk,)
    return chunk[: start + 2], chunk[stop:]


def _pairs(first: bytes, second: bytes) -> int:
    """How many of the places, from the first on without a gap, are CR in one and LF in the other."""
    return min(len(first) - len(first.lstrip(b"\r")), len(second) - len(second.lstrip(b"\n")))


class LineLengthCheck:
    """Watches the length of lines over the chunks of one body."""

    __slots__ = ("_limit", "_since", "too_long")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit + 1  # RFC 5321 4.5.3.1.6: the dot that transparency adds isn't counted
        self._since = 0
        self.too_long = False

    def feed(self, chunk: bytes) -> None:
        """Leaps from line end to line end, a limit at a time: a normal line is never looked at twice."""
        limit, start, end = self._limit, -self._since, len(chunk)
        while end - start > limit:
            found = chunk.rfind(b"\n", max(start, 0), max(start + limit, 0))
            if found < 0:
                self.too_long = True
                return
            start = found + 1
        last = chunk.rfind(b"\n", max(start, 0))
        self._since = end - (last + 1) if last >= 0 else end - start


class LineEndNormaliser:
    """Turns bare CR and LF into CRLF, chunk by chunk.

    A line that thereby becomes a lone dot is stuffed: what wasn't the end of the data here must not be one for the next hop.
    """

    __slots__ = ("_carry",)

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, chunk: bytes) -> bytes:
        """What is complete: whole lines. The last byte is held back where it could be half of a line end."""
        text = self._carry + chunk
        cut = max(text.rfind(b"\n"), text.rfind(b"\r", 0, -1)) + 1
        self._carry = text[cut:]
        return self._mended(text[:cut])

    @property
    def held(self) -> int:
        """Bytes held back."""
        return len(self._carry)

    def end(self) -> bytes:
        """The rest."""
        text, self._carry = self._carry, b""
        return self._mended(text)

    @staticmethod
    def _mended(text: bytes) -> bytes:
        return _LONE_DOT.sub(b"..", _ANY_LINE_END.sub(b"\r\n", text))
