"""Line ends and line lengths of a body (RFC 5321): checks of whole chunks, normalisation."""

import re

MAX_LINE = 1_000  # RFC 5321 4.5.3.1.6, with its CRLF and without the transparent dot

_RUN = 16_384  # bytes; in smaller chunks it does not pay to look for lines of one width

_NO_LINE_ENDS = bytes(byte for byte in range(256) if byte not in b"\r\n")
_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONE_DOT = re.compile(rb"^\.(?=\r\n)", re.MULTILINE)


def has_bare_line_end(chunk: bytes) -> bool:
    """Whether a CR or LF stands alone. `chunk` must not end between the two.

    A pair has two bytes and is one line end; a bare one has one byte. So all are pairs if there are
    twice as many bytes as lines.
    """
    ends = len(chunk.translate(None, _NO_LINE_ENDS))
    lines = len(chunk.splitlines()) - (not chunk.endswith((b"\r", b"\n")))  # twice as fast as counting CRLF
    return ends != 2 * lines if chunk else False


def irregular_pieces(chunk: bytes) -> tuple[bytes, ...]:
    """The parts of a chunk to check line by line: without the equally long lines around its middle.

    Encoders write base64 in lines of one width, so this leaves out most bytes of large bodies. The
    omitted lines end in CRLF, have no other CR or LF, and are within MAX_LINE. A part before them
    ends in CRLF.
    """
    anchor = chunk.find(b"\r\n", len(chunk) // 2) if len(chunk) >= _RUN else -1
    width = chunk.find(b"\r\n", anchor + 2) - anchor
    if anchor < 0 or not 2 <= width <= MAX_LINE:
        return (chunk,)
    before = _pairs(chunk[anchor % width : anchor : width][::-1], chunk[anchor % width + 1 : anchor : width][::-1])
    after = _pairs(chunk[anchor::width], chunk[anchor + 1 :: width])
    start, stop = anchor - before * width, anchor + (after - 1) * width + 2
    return (chunk[: start + 2], chunk[stop:]) if _no_other_ends(memoryview(chunk)[start:stop], width) else (chunk,)


def _no_other_ends(lines: memoryview, width: int) -> bool:
    """Whether no CR or LF is in `lines` but the pair at the start of every `width` bytes.

    Deleting these and searching what is left takes a quarter of the time of counting all.
    """
    texts = bytearray(lines)
    del texts[::width]
    del texts[:: width - 1]
    return texts.find(b"\r") < 0 and texts.find(b"\n") < 0


def _pairs(first: bytes, second: bytes) -> int:
    """The number of leading places with CR in `first` and LF in `second`."""
    return min(len(first) - len(first.lstrip(b"\r")), len(second) - len(second.lstrip(b"\n")))


class LineLengthCheck:
    """Checks the length of lines across the chunks of one body."""

    __slots__ = ("_limit", "_since", "too_long")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit + 1  # RFC 5321 4.5.3.1.6: the stuffed dot does not count
        self._since = 0
        self.too_long = False

    def feed(self, chunk: bytes) -> None:
        """Jumps from line end to line end, so that it looks at few lines."""
        limit, start, end = self._limit, -self._since, len(chunk)
        while end - start > limit:
            line_end = chunk.rfind(b"\n", max(start, 0), max(start + limit, 0))
            if line_end < 0:
                self.too_long = True
                return
            start = line_end + 1
        last = chunk.rfind(b"\n", max(start, 0))
        self._since = end - (last + 1) if last >= 0 else end - start


class LineEndNormaliser:
    """Turns bare CR and LF into CRLF, chunk by chunk.

    A line that becomes a lone dot is stuffed: else the next hop would take it for the end of data.
    """

    __slots__ = ("_carry",)

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, chunk: bytes) -> bytes:
        """Returns the complete lines. A last CR waits: it may be half of a line end."""
        text = self._carry + chunk
        cut = max(text.rfind(b"\n"), text.rfind(b"\r", 0, -1)) + 1
        self._carry = text[cut:]
        return self._normalised(text[:cut])

    @property
    def pending(self) -> int:
        """Bytes that wait for the end of their line."""
        return len(self._carry)

    def end(self) -> bytes:
        """The rest."""
        text, self._carry = self._carry, b""
        return self._normalised(text)

    @staticmethod
    def _normalised(text: bytes) -> bytes:
        return _LONE_DOT.sub(b"..", _ANY_LINE_END.sub(b"\r\n", text))
