"""Files and cryptograms that stand in the middle of a text: uuencode, yEnc, inline PGP."""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_EMBEDDED = 50  # in one text
_MAX_TAIL = 4_096  # bytes of an unfinished line that wait for the next piece

_BEGIN = re.compile(rb"\r\nbegin(?:-base64)? +[0-7]{3,4} +([^\r\n]{1,512})")
_YBEGIN = re.compile(rb"\r\n=ybegin [^\r\n]{0,512}?\bname=([^\r\n]{1,512})")
_PGP = b"\r\n-----BEGIN PGP "


class Embedded(NamedTuple):
    """A file in a text: offsets into the text (`end` is -1 where the file isn't closed), its first decoded bytes."""

    name: bytes
    start: int
    end: int
    encoding: str
    sample: bytes


class TextLook:
    """Looks at a text, piece by piece: `files` are those inside it, `pgp` is what an inline PGP block calls itself."""

    def __init__(self) -> None:
        self.files: list[Embedded] = []
        self.pgp = b""
        self._passed = -2  # bytes of text before the piece; each piece starts with the CRLF before it
        self._tail = b""

    def plain(self, piece: bytes) -> None:
        """A piece as Wire.lines() gives it."""
        self._search(piece)
        self._passed += len(piece) - 2

    def decoded(self, piece: bytes) -> None:
        """A decoded piece, with any line ends; it may end in the middle of a line."""
        text = self._tail + piece
        cut = text.rfind(b"\n") + 1
        self._search(b"\r\n" + text[:cut].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self._tail = text[cut:][-_MAX_TAIL:]

    def _search(self, piece: bytes) -> None:
        room = MAX_EMBEDDED - len(self.files)
        if b"\r\nbegin" in piece:
            self.files += _blocks(piece, _BEGIN, b"\r\nend\r\n", "uuencode", self._passed, room)
        if b"\r\n=ybegin " in piece:
            self.files += _blocks(piece, _YBEGIN, b"\r\n=yend", "yenc", self._passed, room)
        at = piece.find(_PGP)
        if at >= 0 and not self.pgp:
            self.pgp = piece[at + len(_PGP) : at + 40].partition(b"-----")[0]


def _blocks(  # noqa: PLR0917  the two callers differ in the middle three
    text: bytes, begin: re.Pattern[bytes], end: bytes, encoding: str, passed: int, room: int
) -> Iterator[Embedded]:
    found = begin.search(text)
    while found and room > 0:
        following = begin.search(text, found.end())
        limit = following.start() + 2 if following else len(text)
        stop = text.find(end, found.end(), limit + 2)
        stop = stop + len(end) if stop >= 0 else following.start() + 2 if following else -1 - passed
        name = found[1].strip().strip(b'"')
        sample = _sample(text, found.end()) if encoding == "uuencode" else b""
        yield Embedded(name, found.start() + 2 + passed, stop + passed, encoding, sample)
        found = following
        room -= 1


def _sample(text: bytes, at: int) -> bytes:
    try:
        return b"".join([binascii.a2b_uu(line) for line in text[at + 2 : at + 1_500].split(b"\r\n")[:16]])
    except binascii.Error:
        return b""
