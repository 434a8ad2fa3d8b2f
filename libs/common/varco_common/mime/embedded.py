"""Files inside a text: uuencode, yEnc, BinHex, inline PGP, attachments of an invitation."""

import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from varco_common.mime import binhex
from varco_common.mime.encoded_words import base64_bytes

MAX_EMBEDDED = 50  # in one text
_MAX_TAIL = 4_096  # bytes of an unfinished line that wait for the next piece

_PGP = b"\r\n-----BEGIN PGP "


class Embedded(NamedTuple):
    """A file in a text: offsets into the text (`end` -1: not closed), its first decoded bytes."""

    name: bytes
    start: int
    end: int
    encoding: str
    sample: bytes


class _Format(NamedTuple):
    encoding: str
    begin: re.Pattern[bytes]
    end: bytes


_UUENCODE = _Format(
    "uuencode", re.compile(rb"\r\nbegin(?:-base64)?[ \t]+[0-7]{3}[ \t]+([^\r\n]{1,512})"), b"\r\nend\r\n"
)
_YENC = _Format("yenc", re.compile(rb"\r\n=ybegin [^\r\n]{0,512}?\bname=([^\r\n]{1,512})"), b"\r\n=yend")
_BINHEX = _Format("binhex", binhex.BEGIN, binhex.END)
_FORMATS = (
    (_UUENCODE, b"\r\nbegin"),
    (_YENC, b"\r\n=ybegin "),
    (_BINHEX, b"\r\n(This file must be converted with BinHex"),
)


_UU_LINE = re.compile(rb"\r\n([ -`]+)(?=\r\n|\Z)")
_DATA_WINDOW = 800  # bytes behind a `begin` line, in which a line of data must begin
_LARGE_PIECE = 200_000  # bytes of a piece that is not the last one
_FOLD = re.compile(rb"\r\n[ \t]")
_ATTACH = re.compile(rb"(?i)\r\nATTACH;([^\r\n]{1,8192})")  # RFC 5545 3.8.1.1
_BINARY = re.compile(rb"(?i)(?:VALUE=BINARY|ENCODING=BASE64)[^:]*:?")
_FILENAME = re.compile(rb"(?i)FILENAME=\"?([^\";:]{1,512})")


class TextSearch:
    """Searches a text, piece by piece, for `files` inside it.

    One more than MAX_EMBEDDED are too many.

    `pgp` is the type of an inline PGP block, such as b"MESSAGE".
    """

    def __init__(self, *, calendar: bool = False) -> None:
        self._calendar = calendar
        self.files: list[Embedded] = []
        self.pgp = b""
        self._passed = -2  # bytes of text before the piece, which starts with the CRLF before it
        self._tail = b""

    def add_plain(self, piece: bytes) -> None:
        """Searches a piece of `Buffer.lines`."""
        self._search(piece)
        self._passed += len(piece) - 2

    def add_decoded(self, piece: bytes) -> None:
        """Searches a decoded piece, which has any line ends and may end in the middle of a line."""
        text = self._tail + piece
        cut = text.rfind(b"\n") + 1
        self._search(b"\r\n" + text[:cut].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self._tail = text[cut:][-_MAX_TAIL:]

    def _search(self, piece: bytes) -> None:
        for text_format, mark in _FORMATS:
            if mark in piece:
                self.files += islice(_blocks(piece, text_format, self._passed), MAX_EMBEDDED + 1 - len(self.files))
        if self._calendar:
            self.files += islice(_calendar_files(piece, max(self._passed, 0)), MAX_EMBEDDED + 1 - len(self.files))
        at = piece.find(_PGP)
        if at >= 0 and not self.pgp:
            self.pgp = piece[at + len(_PGP) : at + 40].partition(b"-----")[0]


def _blocks(text: bytes, text_format: _Format, passed: int) -> Iterator[Embedded]:
    """Yields the files of one format.

    A file ends at its end line, at the next file, or with the text.
    """
    begin = text_format.begin.search(text)
    data = -1  # where the next line of data begins
    while begin:
        following = text_format.begin.search(text, begin.end())
        limit = following.start() + 2 if following else len(text)
        if text_format is _UUENCODE:
            data = data if data >= begin.end() else _next_data(text, begin.end())
            if not _has_data(text, begin, data) and text.find(text_format.end, begin.end(), limit + 2) < 0:
                begin = following
                continue
        stop = text.find(text_format.end, begin.end(), limit + 2)
        end = passed + (stop + len(text_format.end) if stop >= 0 else limit) if stop >= 0 or following else -1
        name = binhex.file_name(begin[1]) if text_format is _BINHEX else begin[1].strip().strip(b'"')
        sample = _sample(text, begin.end()) if text_format is _UUENCODE else b""
        yield Embedded(name, passed + begin.start() + 2, end, text_format.encoding, sample)
        begin = following


def _has_data(text: bytes, begin: re.Match[bytes], data: int) -> bool:
    """Whether a line of data follows a `begin` line. An empty file has none, but an end.

    Behind the end of a large piece it may. Prose has small letters, which uuencode has not, and
    lines whose length does not fit.
    """
    if begin[0].startswith(b"\r\nbegin-base64") or data - begin.end() < _DATA_WINDOW:
        return True
    return len(text) - begin.end() < _DATA_WINDOW and len(text) > _LARGE_PIECE


def _next_data(text: bytes, at: int) -> int:
    """Where the next line that uuencode can have written begins; far behind the end if none."""
    lines = (line.start() for line in _UU_LINE.finditer(text, at) if _fits(line[1]))
    return next(lines, len(text) + _DATA_WINDOW)


def _fits(line: bytes) -> bool:
    """Whether a line has the length that its first character promises.

    Blanks at its end may have been removed, and a checksum may follow. Most lines start with M.
    """
    length = (line[0] - 32) & 63 if line else 0
    digits = (length + 2) // 3 * 4
    if not length or len(line) > digits + 3:
        return False
    return len(line) >= digits - 3 or line.startswith(b"M")


def _calendar_files(text: bytes, passed: int) -> Iterator[Embedded]:
    """The files inside an invitation, which clients offer to whoever opens it."""
    for line in _ATTACH.finditer(_FOLD.sub(b"", text)):
        if binary := _BINARY.search(line[1]):
            name = _FILENAME.search(line[1], 0, binary.end())
            yield Embedded(
                name[1].strip() if name else b"", passed, -1, "base64", base64_bytes(line[1][binary.end() :])
            )


def _sample(text: bytes, at: int) -> bytes:
    """The first lines decoded, up to one that cannot be decoded."""
    decoded: list[bytes] = []
    for line in text[at + 2 : at + 1_500].split(b"\r\n")[:16]:
        try:
            decoded.append(binascii.a2b_uu(line))
        except binascii.Error:
            break
    return b"".join(decoded)
