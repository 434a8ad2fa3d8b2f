"""The decoded size and first bytes of a content, and whether two decoders would agree on it."""

import binascii
import re
from typing import NamedTuple

from varco_common.mime.buffer import PIECE, Buffer
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.embedded import TextSearch
from varco_common.mime.encoded_words import BASE64, base64_bytes
from varco_common.mime.file_kinds import FAR_SAMPLE, SAMPLE
from varco_common.mime.line_ends import check_line_ends, is_only_crlf

STRAY_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r\n|[ \t]*\Z)")
_PIECE = 65_536  # bytes of base64 that are checked at once: large pieces cost page faults
_TAIL = 16  # bytes: padding and a few line ends


class MeasuredContent(NamedTuple):
    """`size` counts decoded bytes; `sample` has the first of them."""

    size: int
    sample: bytes


def measure_content(
    body: Buffer, where: tuple[int, int], encoding: str, defects: Defects, search: TextSearch | None = None
) -> MeasuredContent:
    """Measures the content from offset to offset. An unknown encoding is read as plain bytes.

    `look` is given for texts: it sees what a client shows.
    """
    start, end = where
    if encoding == "base64":
        return _base64(body, start, end, search, defects)
    if encoding == "quoted-printable":
        return _quoted_printable(body, start, end, search, defects)
    return _plain(body, start, end, search, defects)


def check_bytes(piece: bytes, defects: Defects) -> bytes:
    """Undoes dot-stuffing; finds NUL, bare line ends, and dots that should have been doubled.

    The piece starts with the CRLF before its first line (RFC 5321 4.5.2).
    """
    check_line_ends(piece, defects)
    if b"\r\n." not in piece:
        return piece
    if piece.count(b"\r\n.") != piece.count(b"\r\n.."):
        defects.add(Defect.LONE_DOT)
    return piece.replace(b"\r\n.", b"\r\n")


def decode_quoted_printable(raw: bytes) -> bytes:
    return binascii.a2b_qp(raw)


def _plain(body: Buffer, start: int, end: int, search: TextSearch | None, defects: Defects) -> MeasuredContent:
    size = 0
    sample = b""
    for piece in body.lines(start, end):
        text = check_bytes(piece, defects)
        size += len(text) - 2
        sample = sample or text[2 : FAR_SAMPLE + 2]
        if search:
            search.add_plain(text)
    return MeasuredContent(size, sample)


def _quoted_printable(
    body: Buffer, start: int, end: int, search: TextSearch | None, defects: Defects
) -> MeasuredContent:
    size = 0
    sample = b""
    for piece in body.lines(start, end):
        if search is None and STRAY_EQUALS.search(piece):
            defects.add(Defect.BROKEN_QUOTED_PRINTABLE)
        text = binascii.a2b_qp(check_bytes(piece, defects)[2:])
        size += len(text)
        sample = sample or text[:FAR_SAMPLE]
        if search:
            search.add_decoded(text)
    return MeasuredContent(size, sample)


def _base64(body: Buffer, start: int, end: int, search: TextSearch | None, defects: Defects) -> MeasuredContent:
    digits = padding = 0
    carry = b""
    for piece in body.pieces(start, end, PIECE if search else _PIECE):
        rest = piece.translate(None, BASE64)  # what is left must be line ends, then padding
        digits += len(piece) - len(rest)
        if padding and len(rest) != len(piece):
            defects.add(Defect.BASE64_AFTER_PADDING)
        pad = _pad(piece)
        if not is_only_crlf(piece, len(rest) - pad):
            _check_rest(piece, defects)
            pad = rest.count(b"=")
        padding += pad
        if search:
            carry = _search_decoded(carry + piece, search)
    if carry and search:
        search.add_decoded(base64_bytes(carry))
    if (digits + padding) % 4 or padding > 2:
        defects.add(Defect.BASE64_PADDING)
    return MeasuredContent(digits * 3 >> 2, _base64_sample(body, start, end))


def _pad(piece: bytes) -> int:
    """How many equals signs are at the end, before the last line ends."""
    tail = piece[-_TAIL:].rstrip(b"\r\n")
    return len(tail) - len(tail.rstrip(b"="))


def _check_rest(piece: bytes, defects: Defects) -> None:
    """Names the defects of a piece that has more than base64 digits and line ends."""
    marks = piece.replace(b"\r\n", b"").translate(None, BASE64)
    if marks.strip(b"="):
        defects.add(Defect.BASE64_FOREIGN)
        if b"\0" in marks:
            defects.add(Defect.NUL)
        if b"\r" in marks or b"\n" in marks:
            defects.add(Defect.BARE_LINE_END)
    if b"=" in marks and piece[piece.index(b"=") :].translate(None, b"=\r\n \t"):
        defects.add(Defect.BASE64_AFTER_PADDING)


def _search_decoded(piece: bytes, search: TextSearch) -> bytes:
    """Searches the decoded piece; returns the digits that need the next piece."""
    clean = piece.translate(None, b"\r\n")
    whole = len(clean) & ~3
    search.add_decoded(base64_bytes(clean[:whole]))
    return clean[whole:]


def _base64_sample(body: Buffer, start: int, end: int) -> bytes:
    """The first decoded bytes, enough for the marks that are far behind the start."""
    length = FAR_SAMPLE if end - start > FAR_SAMPLE else SAMPLE
    return base64_bytes(body.slice(start, min(end, start + length * 3 // 2)))
