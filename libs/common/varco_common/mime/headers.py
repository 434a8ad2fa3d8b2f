"""The fields of a header block."""

import re
from collections.abc import Sequence

from varco_common.mime.defects import Defect, Defects
from varco_common.mime.line_ends import check_line_ends

PARSED_FIELDS = frozenset(
    b"content-type content-disposition content-transfer-encoding content-id "
    b"content-name content-description content-location x-sun-data-name "
    b"from sender subject date message-id bcc resent-bcc".split()
)
Fields = dict[bytes, list[bytes]]  # name in lower case: the values of all its fields, with their folds

MAX_FIELD = 8_192  # of a value that is parsed; recipients are not
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_FTEXT = bytes(c for c in range(33, 127) if c != 58)  # RFC 5322 3.6.8
BLANK_LINE = re.compile(rb"\r\n[ \t]+(?=\r\n|$)")
_BCC = re.compile(rb"(?i)(?:^|\r\n)((?:resent-)?bcc[ \t]*:.*?(?:\r\n(?![ \t])|\Z))", re.DOTALL)


def parse_fields(block: bytes, defects: Defects) -> Fields:
    """The PARSED_FIELDS of a header block, which comes without the CRLF of its last line."""
    fields: Fields = {}
    if not block:
        return fields
    split = [line.partition(b":") for line in _FIELD_END.split(block)]
    names = [name.lower() for name, _, _ in split]
    if b"".join(names).translate(None, _FTEXT) or any(not colon for _, colon, _ in split) or b"" in names:
        names = _lenient_names(names, [colon for _, colon, _ in split], defects)
    for name, (_, _, value) in zip(names, split, strict=True):
        if name in PARSED_FIELDS:
            fields.setdefault(name, []).append(value)
    _check_block(block, defects)
    return fields


def find_bcc(block: bytes) -> tuple[tuple[int, int], ...]:
    """Offsets of the Bcc fields with their CRLFs, adjacent ones in one. The block ends in CRLF."""
    ranges: list[tuple[int, int]] = []
    at = 0
    while field := _BCC.search(block, at):
        start, end = field.span(1)
        if ranges and ranges[-1][1] == start:
            start = ranges.pop()[0]
        ranges.append((start, end))
        at = max(end - 2, at + 1)  # the CRLF before the next field
    return tuple(ranges)


def unfold(value: bytes) -> bytes:
    """Removes the line ends of folds; their blanks stay (RFC 5322 2.2.3)."""
    return value.replace(b"\r\n", b"").strip(b" \t") if b"\r\n" in value else value.strip(b" \t")


def _lenient_names(names: Sequence[bytes], colons: Sequence[bytes], defects: Defects) -> list[bytes]:
    """Names as a lenient client reads them, and the defects that a strict one would see."""
    lenient = []
    for name, colon in zip(names, colons, strict=True):
        bare = name.rstrip(b" \t")
        if not colon or not bare:
            defects.add(Defect.HEADER_WITHOUT_COLON)
            bare = b""
        elif bare.translate(None, _FTEXT):
            defects.add(Defect.ODD_FIELD_NAME)
            bare = bare.translate(None, bytes(range(33))) if name[:1] not in b" \t" else bare.strip()
        elif bare != name:
            defects.add(Defect.BLANK_BEFORE_COLON)
        lenient.append(bare)
    return lenient


def _check_block(block: bytes, defects: Defects) -> None:
    check_line_ends(block, defects)
    if b"\r\n." in block or block.startswith(b"."):
        defects.add(Defect.LONE_DOT)
    if BLANK_LINE.search(block):
        defects.add(Defect.BLANK_HEADER_LINE)
