"""The fields of a header block."""

import re
from collections.abc import Iterator, Sequence

from varco_common.mime.defects import Defect, Defects
from varco_common.mime.line_ends import check_line_ends

PARSED_FIELDS = frozenset(
    b"content-type content-disposition content-transfer-encoding content-id "
    b"content-name content-description content-location x-sun-data-name "
    b"from sender subject date message-id bcc resent-bcc".split()
)
Fields = dict[bytes, list[bytes]]  # name in lower case: the values of all its fields, with their folds

_MAX_UNKNOWN = 1_000  # bytes of an unknown field in which the name of a file is searched for
_MAX_NAME = 100  # bytes of a line in which the name of a field is searched for
MAX_FIELD = 8_192  # of a value that is parsed; recipients are not
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_FTEXT = bytes(c for c in range(33, 127) if c not in b":()")  # RFC 5322 3.6.8; mime4j removes comments from names
_COMMENT = re.compile(rb"\([^()]*\)")
BLANK_LINE = re.compile(rb"\r\n[ \t]+(?=\r\n|$)")
WITHOUT_COLON = re.compile(rb"(?:\A|\r\n)(?![ \t])[^:\r\n]*(?=\r\n|\Z)")
_ODD = rb"[\x00-\x09\x0b\x0c\x0e-\x20\x7f-\xff-]{0,64}+"  # signs that lenient parsers drop from a field's name
FIELD_OF_CONTENT = re.compile(
    rb"(?i)\r\n"
    + _ODD
    + rb"(?:[^\s:>]{0,16}?content-(?:type|disposition|transfer-encoding)"
    + rb"|(?:content-(?:name|description|location)|x-sun-data-name)(?![\w-]))"
)
_ALMOST_NAME = re.compile(rb"(?i)content-(?:type|disposition|transfer-encoding)")
_SIGNS = re.compile(rb"[^\s:]{0,16}[ \t]*:|[^\w\s\"(]{0,16}")  # behind such a name
_NAMES_FILE = re.compile(rb"(?i)name[ \t]*+(?:\*[0-9]*\*?[ \t]*+)?=")
_ODD_SIGNS = bytes(c for c in range(256) if not 32 < c < 127)
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
        elif (b"content-" in name and _ALMOST_NAME.search(name)) or _names_file(value):
            defects.add(Defect.ODD_FIELD_NAME)
    _check_block(block, defects)
    return fields


def joined_blocks(block: bytes) -> Iterator[bytes]:
    """The block as parsers read it that do not end a header at a line without a colon.

    They skip the line, so that folds go on behind it, take it for a fold itself, or find the colon
    in the next line.
    """
    if b"\r\n:" in block:
        yield block.replace(b"\r\n:", b":")
    yield WITHOUT_COLON.sub(b"", block)
    yield WITHOUT_COLON.sub(lambda line: b" " + line[0].removeprefix(b"\r\n"), block)


def _names_file(value: bytes) -> bool:
    return b"=" in value and len(value) < _MAX_UNKNOWN and _NAMES_FILE.search(value) is not None


def searched_fields(block: bytes) -> Fields:
    """The fields that a parser finds besides that searches lines for words.

    The name of a field has other signs around it or no colon behind it, and any field or its fold
    may name the file.
    """
    fields: Fields = {}
    for line in _FIELD_END.split(block):
        name = line.partition(b":")[0].rstrip(b" \t").lower()
        if name in (b"content-type", b"content-disposition"):
            continue
        if name not in PARSED_FIELDS and (almost := _ALMOST_NAME.search(line, 0, _MAX_NAME)):
            signs = _SIGNS.match(line, almost.end())
            fields.setdefault(almost[0].lower(), []).append(line[signs.end() if signs else almost.end() :])
        elif _NAMES_FILE.search(line.partition(b"\r\n")[2] if name in PARSED_FIELDS else line):
            fields.setdefault(b"content-disposition", []).append(line)
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
            bare = _COMMENT.sub(b"", bare)
            bare = bare.translate(None, _ODD_SIGNS) if name[:1] not in b" \t" else bare.strip(_ODD_SIGNS)
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
