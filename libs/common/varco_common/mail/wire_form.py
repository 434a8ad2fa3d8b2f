"""The dots that wire form adds: at each line that begins with one (RFC 5321 4.5.2)."""

from varco_common.mime.byte_search import count_marked

_STUFFED = b"\r\n."


class DotCounter:
    """Takes a body in wire form piece by piece; `dots` is how many bytes shorter it is without."""

    def __init__(self) -> None:
        self.dots = 0
        self._tail = b"\r\n"  # a dot at the very start is at the start of a line

    def feed(self, piece: bytes) -> None:
        whole = self._tail + piece
        self.dots += count_marked(whole, _STUFFED, 2)
        self._tail = whole[-2:]


def count_dots(body: bytes) -> int:
    """The dots of a whole body."""
    return count_marked(body, _STUFFED, 2) + body.startswith(b".")


def dot_stuffed(text: bytes) -> bytes:
    """The text in wire form."""
    stuffed = text.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if text.startswith(b".") else stuffed
