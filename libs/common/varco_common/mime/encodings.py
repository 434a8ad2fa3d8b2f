"""How much a content decodes to, its first decoded bytes, and whether two decoders would agree on it."""

import binascii
import re
from typing import NamedTuple

from varco_common.mime.buffer import Buffer
from varco_common.mime.defects import Defect, DefectFound
from varco_common.mime.embedded import TextLook
from varco_common.mime.encoded_words import BASE64, base64_bytes
from varco_common.mime.file_kinds import FAR_SAMPLE, SAMPLE
from varco_common.mime.line_ends import check_line_ends, only_pairs

_STRAY_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r\n|[ \t]*\Z)")
_TAIL = 16  # bytes: padding and a few line ends


class MeasuredContent(NamedTuple):
    """`size` in decoded bytes; `sample` are the first ones of them."""

    size: int
    sample: bytes


def measure_content(
    wire: Buffer, where: tuple[int, int], encoding: str, found: DefectFound, look: TextLook | None = None
) -> MeasuredContent:
    """Measures the content from offset to offset. Unknown encodings are taken as they stand.

    `look` is given for texts: it sees what a client shows.
    """
    start, end = where
    if encoding == "base64":
        return _base64(wire, start, end, look, found)
    if encoding == "quoted-printable":
        return _quoted_printable(wire, start, end, look, found)
    return _plain(wire, start, end, look, found)


def check_bytes(piece: bytes, found: DefectFound) -> bytes:
    """Finds NUL, bare line ends, and dots that the client should have doubled; gives the piece without doubled dots.

    The piece starts with the CRLF before its first line (RFC 5321 4.5.2).
    """
    check_line_ends(piece, found)
    if b"\r\n." not in piece:
        return piece
    if piece.count(b"\r\n.") != piece.count(b"\r\n.."):
        found.add(Defect.LONE_DOT)
    return piece.replace(b"\r\n.", b"\r\n")


def _plain(wire: Buffer, start: int, end: int, look: TextLook | None, found: DefectFound) -> MeasuredContent:
    size = 0
    sample = b""
    for piece in wire.lines(start, end):
        text = check_bytes(piece, found)
        size += len(text) - 2
        sample = sample or text[2 : FAR_SAMPLE + 2]
        if look:
            look.plain(text)
    return MeasuredContent(size, sample)


def _quoted_printable(wire: Buffer, start: int, end: int, look: TextLook | None, found: DefectFound) -> MeasuredContent:
    size = 0
    sample = b""
    for piece in wire.lines(start, end):
        if look is None and _STRAY_EQUALS.search(piece):
            found.add(Defect.BROKEN_QUOTED_PRINTABLE)
        text = binascii.a2b_qp(check_bytes(piece, found)[2:])
        size += len(text)
        sample = sample or text[:FAR_SAMPLE]
        if look:
            look.decoded(text)
    return MeasuredContent(size, sample)


def _base64(wire: Buffer, start: int, end: int, look: TextLook | None, found: DefectFound) -> MeasuredContent:
    digits = padding = 0
    carry = b""
    for piece in wire.pieces(start, end):
        rest = piece.translate(None, BASE64)  # what is left must be line ends, then padding
        digits += len(piece) - len(rest)
        if padding and len(rest) != len(piece):
            found.add(Defect.BASE64_AFTER_PADDING)
        pad = _pad(piece)
        if not only_pairs(piece, len(rest) - pad):
            _check_rest(piece, found)
            pad = rest.count(b"=")
        padding += pad
        if look:
            carry = _look_at(carry + piece, look)
    if carry and look:
        look.decoded(base64_bytes(carry))
    if (digits + padding) % 4 or padding > 2:
        found.add(Defect.BASE64_PADDING)
    return MeasuredContent(digits * 3 >> 2, _base64_sample(wire, start, end))


def _pad(piece: bytes) -> int:
    """How many equals signs stand at the end, before the last line ends."""
    tail = piece[-_TAIL:].rstrip(b"\r\n")
    return len(tail) - len(tail.rstrip(b"="))


def _check_rest(piece: bytes, found: DefectFound) -> None:
    """The piece holds more than the alphabet and line ends."""
    marks = piece.replace(b"\r\n", b"").translate(None, BASE64)
    if marks.strip(b"="):
        found.add(Defect.BASE64_FOREIGN)
        if b"\0" in marks:
            found.add(Defect.NUL)
        if b"\r" in marks or b"\n" in marks:
            found.add(Defect.BARE_LINE_END)
    if b"=" in marks and piece[piece.index(b"=") :].translate(None, b"=\r\n \t"):
        found.add(Defect.BASE64_AFTER_PADDING)


def _look_at(piece: bytes, look: TextLook) -> bytes:
    """Shows what the piece decodes to, and gives back the digits that wait for the next piece."""
    clean = piece.translate(None, b"\r\n")
    whole = len(clean) & ~3
    look.decoded(base64_bytes(clean[:whole]))
    return clean[whole:]


def _base64_sample(wire: Buffer, start: int, end: int) -> bytes:
    """Far enough for marks that stand far behind, where the content is as long as that."""
    wanted = FAR_SAMPLE if end - start > FAR_SAMPLE else SAMPLE
    return base64_bytes(wire.slice(start, min(end, start + wanted * 3 // 2)))
