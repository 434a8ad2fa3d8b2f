"""What a mail with defects shows in other readings than the likeliest one.

Parsers disagree on where a part begins, which of two fields counts, and how a content is decoded.
None of them shows a file without a header field that names it or a content that tells its kind. So
this looks at every place that some parser could take for a part's header, wherever it is, and at
each type, disposition, encoding and start of content that the header allows.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import msgspec

from varco_common.mime.buffer import Buffer
from varco_common.mime.content import IDENTITY, KNOWN, Content, parse_content
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.embedded import MAX_EMBEDDED, TextSearch
from varco_common.mime.encoded_words import BASE64, base64_bytes
from varco_common.mime.encodings import STRAY_EQUALS, check_bytes, decode_quoted_printable
from varco_common.mime.file_kinds import SAMPLE, detect_kind
from varco_common.mime.header_block import MAX_HEADER
from varco_common.mime.headers import Fields, parse_fields
from varco_common.mime.leaf import embedded_parts, read_leaf
from varco_common.mime.model import Part

_D = Defect
ENUMERABLE = frozenset(
    {
        _D.HEADER_WITHOUT_COLON, _D.BLANK_BEFORE_COLON, _D.ODD_FIELD_NAME, _D.BLANK_HEADER_LINE,
        _D.BLANK_BEFORE_HEADER, _D.HEADER_UNFINISHED, _D.TWO_TYPES, _D.TWO_DISPOSITIONS, _D.TWO_ENCODINGS,
        _D.BAD_TYPE, _D.BOUNDARY_MISSING, _D.BOUNDARY_ODD, _D.BOUNDARY_TOO_LONG, _D.BOUNDARY_REUSED,
        _D.BOUNDARY_PREFIX, _D.DELIMITER_ODD, _D.DELIMITER_PADDED, _D.DELIMITER_AFTER_END, _D.NO_DELIMITER,
        _D.MISSING_END, _D.PART_OUTSIDE, _D.ENCODED_MULTIPART, _D.ENCODED_MESSAGE, _D.UNKNOWN_ENCODING,
        _D.BASE64_FOREIGN, _D.BASE64_AFTER_PADDING, _D.BASE64_PADDING, _D.BROKEN_QUOTED_PRINTABLE, _D.BAD_PARAMETER,
    }
)  # fmt: skip
"""The defects whose every reading is listed. All others leave something that nobody can list."""

_OF_FROM = frozenset({_D.FROM_MISSING, _D.FROM_UNREADABLE, _D.TOO_MANY_AUTHORS})
_MAX_BLOCKS = 150  # places that look like a header
_MAX_CONTENT = 1 << 20  # bytes of a content that only a skipped delimiter uncovers
_MAX_CHOICES = 8  # readings of one header
_MAX_FIELDS = 64 << 10  # bytes of the fields of different headers; ordinary ones take 200 bytes each
_MAX_DECODED = 16 << 20  # bytes of encoded messages and multiparts that are opened
_MAX_OPENED = 6  # of these
_MAX_DEPTH = 3  # of encoded messages in encoded messages
_FIELD = re.compile(
    rb"(?i)\r\n[\x00-\x09\x0b\x0c\x0e-\x20]{0,64}(?:content-(?:type|disposition|transfer-encoding|name|description|location)"
    rb"|x-sun-data-name)[\x00-\x20]{0,64}:"
)
_HEADER_ENDS_EARLY = re.compile(rb"\r\n(?:[ \t]+(?:\r\n|\Z)|(?=[^:\r\n \t][^:\r\n]*(?:\r\n|\Z)))")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648 5
_CONTAINERS = ("multipart/", "message/")


class _Block(NamedTuple):
    """What some parser could take for a header: [start, end), and the end of its content."""

    start: int
    end: int
    content_end: int


class _LimitReachedError(Exception):
    """There are more readings than are looked at."""


def list_readings(body: Buffer, parts: Iterable[Part], defects: Defects) -> tuple[list[Part], tuple[str, ...]]:
    """The parts that only other readings show, and the defects whose readings are listed with that.

    Adds defects that only another reading has. After a limit no reading counts as listed.
    """
    enumerated = tuple(defect.value for defect in Defect if defect in defects and defect in ENUMERABLE)
    if not enumerated or _D.TOO_MANY_NAMES in defects:  # such headers take long, and lists refuse them
        return [], ()
    sweep = _Sweep(parts, ", ".join(enumerated[:3]))
    try:
        sweep.look_at(body, depth=0)
    except _LimitReachedError:
        return sweep.parts, ()
    defects |= sweep.defects - ENUMERABLE - _OF_FROM
    return sweep.parts, enumerated


class _Sweep:
    """Collects `parts` that differ from the known ones in what an account's rule looks at."""

    def __init__(self, known: Iterable[Part], reading: str) -> None:
        self.parts: list[Part] = []
        self.defects: Defects = set()
        self._known: dict[tuple[object, ...], set[str]] = {}  # what an account's rule looks at: the kinds
        for part in known:
            self._known.setdefault(_judged(part), set()).add(part.kind)
        self._reading = reading
        self._contents: dict[tuple[object, ...], list[Content]] = {}  # by the fields that were read
        self._kinds: dict[tuple[bytes, str], tuple[str, ...]] = {}  # by the first bytes and their encoding
        self._blocks = 0
        self._field_bytes = 0
        self._decoded = 0
        self._opened = 0

    def look_at(self, body: Buffer, depth: int, where: tuple[int, int] | None = None) -> None:
        """Looks at a mail, or at a decoded piece of one whose encoded form is at `where`."""
        self._look_for_files(body, where)
        for block in _blocks(body):
            self._blocks += 1
            if self._blocks > _MAX_BLOCKS:
                raise _LimitReachedError
            for at, fields in _views(body, block, self.defects):
                guessed = not any(b"64" in value for value in fields.get(b"content-transfer-encoding", ()))
                for content in self._choices(fields):
                    self._read(body, content, at, depth, where, guessed=guessed)

    def _choices(self, fields: Fields) -> list[Content]:
        """As `_choices` does. Equal headers are read once: there may be a hundred long ones."""
        names_differ = Defect.BAD_PARAMETER in self.defects  # names.py looks at this
        key = (names_differ, *((name, *values) for name, values in fields.items()))
        if key not in self._contents:
            self._field_bytes += sum(len(value) for values in fields.values() for value in values)
            if self._field_bytes > _MAX_FIELDS:
                raise _LimitReachedError
            self._contents[key] = list(_choices(fields, self.defects))
        return self._contents[key]

    def _other_kinds(self, body: Buffer, encoding: str, at: tuple[int, int]) -> tuple[str, ...]:
        """As `_other_kinds` does, once for equal contents."""
        raw = body.slice(at[0], min(at[1], at[0] + 2 * SAMPLE))
        if (raw, encoding) not in self._kinds:
            self._kinds[raw, encoding] = tuple(_other_kinds(raw, encoding))
        return self._kinds[raw, encoding]

    def _look_for_files(self, body: Buffer, where: tuple[int, int] | None) -> None:
        search = TextSearch()
        for piece in body.lines(0, body.size):
            search.add_plain(check_bytes(piece, self.defects))
        if len(search.files) > MAX_EMBEDDED:
            raise _LimitReachedError
        self._add(embedded_parts(search.files, "", (0, body.size), False, self.defects), where)

    def _read(
        self,
        body: Buffer,
        content: Content,
        at: tuple[int, int],
        depth: int,
        where: tuple[int, int] | None,
        *,
        guessed: bool,
    ) -> None:
        is_container = content.media_type.startswith(_CONTAINERS)
        if is_container and content.encoding not in IDENTITY and not (guessed and _is_no_base64(body, content, at)):
            self._open(body, content.encoding, at, depth, where)
        if content.media_type.startswith("multipart/") and not content.names:
            content = content._replace(media_type="text/plain")  # without a boundary it is a text
        leaf = read_leaf(body, content, "", at, room=_MAX_BLOCKS, defects=self.defects)
        self._add(leaf.parts, where)
        for kind in self._other_kinds(body, content.encoding, at):
            self._add([msgspec.structs.replace(leaf.parts[0], kind=kind)], where)

    def _open(
        self, body: Buffer, encoding: str, at: tuple[int, int], depth: int, where: tuple[int, int] | None
    ) -> None:
        """Decodes a message or multipart and all behind it: what looks like its end may not be."""
        start = at[0]
        self._decoded += body.size - start
        self._opened += 1
        if self._opened > _MAX_OPENED or self._decoded > _MAX_DECODED or depth == _MAX_DEPTH:
            raise _LimitReachedError
        raw = check_bytes(b"\r\n" + body.slice(start, body.size), set())[2:]
        for decoded in _decodings(raw, encoding):
            text = b"\r\n" + _LINE_END.sub(b"\r\n", decoded)
            self.look_at(Buffer(text.replace(b"\r\n.", b"\r\n..")), depth + 1, where or at)

    def _add(self, parts: Iterable[Part], where: tuple[int, int] | None) -> None:
        for part in parts:
            kinds = self._known.setdefault(_judged(part), set())
            if part.kind in kinds or (kinds and not part.kind):  # an unknown kind contradicts no name
                continue
            kinds.add(part.kind)
            start, end = where or (part.start, part.end)
            path = f"reading/{len(self.parts) + 1}"
            size = min(part.size, end - start)
            self.parts.append(
                msgspec.structs.replace(part, path=path, start=start, end=end, size=size, reading=self._reading)
            )


def _decodings(raw: bytes, encoding: str) -> Iterator[bytes]:
    """The content decoded in each way. Broken base64 has too many: skip, stop, or start again."""
    if encoding != "base64":
        yield decode_quoted_printable(raw)
        return
    digits = raw.partition(b"\r\n--")[0]
    if digits.translate(None, BASE64 + b"= \t\r\n") or b"=" in digits.rstrip(b"=\r\n \t"):
        raise _LimitReachedError
    yield base64_bytes(digits)
    if len(digits) < len(raw):  # what follows is another part, or a line that decoders skip
        yield base64_bytes(raw)
        yield base64_bytes(raw.translate(_URL_SAFE))


def _judged(part: Part) -> tuple[object, ...]:
    """What an account's rule looks at, besides the kind."""
    return part.names, part.media_type, part.disposition == "attachment"


def _is_no_base64(body: Buffer, content: Content, at: tuple[int, int]) -> bool:
    """Whether a guess at base64 is wrong: nobody decodes other characters called `7-bit`."""
    sample = body.slice(at[0], at[0] + SAMPLE)
    return content.encoding == "base64" and bool(sample.translate(None, BASE64 + b"=\r\n"))


def _blocks(body: Buffer) -> Iterator[_Block]:
    """Every run of lines that starts with a field about a content, to a blank line or delimiter."""
    blocks: list[tuple[int, int]] = []
    for piece, offset in _located(body):
        for field in _FIELD.finditer(piece):
            at = max(offset + field.start() + 2, 0)
            if not blocks or at > blocks[-1][1]:
                blocks.append((at, _block_end(body, at)))
                if len(blocks) > _MAX_BLOCKS:
                    raise _LimitReachedError
    for (start, end), (following, _) in pairwise([*blocks, (body.size, body.size)]):
        stop = max(following, end)
        delimiter = body.find(b"\r\n--", end, stop)
        yield _Block(start, end, delimiter if delimiter >= 0 else stop)


def _located(body: Buffer) -> Iterator[tuple[bytes, int]]:
    """The pieces of the body, each with its offset. The first one, too, starts with a line end."""
    at = 0
    for piece in body.lines(0, body.size):
        lead = min(at, 2)
        yield (piece, at - lead) if at else (b"\r\n" + piece, -2)
        at += len(piece) - lead


def _block_end(body: Buffer, at: int) -> int:
    """The offset behind the last field's text, without its line end."""
    limit = min(at + MAX_HEADER, body.size)
    ends = [end for end in (body.find(mark, at, limit) for mark in (b"\r\n\r\n", b"\r\n--")) if end >= 0]
    return min(ends) if ends else limit


def _views(body: Buffer, block: _Block, defects: Defects) -> Iterator[tuple[tuple[int, int], Fields]]:
    """Where the content is, and the fields: of all the header, or up to what may end it."""
    text = body.slice(block.start, block.end)
    start = min(block.end + 4, body.size)
    yield (start, max(start, block.content_end)), parse_fields(text, defects)
    first = _FIELD.search(b"\r\n" + text)
    early = _HEADER_ENDS_EARLY.search(text, max(first.end() - 2, 0)) if first else None
    if early:
        start = block.start + early.end()
        yield (start, max(start, block.content_end)), parse_fields(text[: early.start()], defects)
    if body.slice(block.end, block.end + 4) != b"\r\n\r\n":  # a line like a delimiter, which some skip
        end = body.find(b"\r\n\r\n", block.end, min(block.end + MAX_HEADER, body.size))
        if end >= 0:
            stop = min(end + _MAX_CONTENT, body.size)
            delimiter = body.find(b"\r\n--", end + 2, stop)
            whole = body.slice(block.start, end)
            yield (end + 4, max(end + 4, delimiter if delimiter >= 0 else stop)), parse_fields(whole, defects)


def _choices(fields: Fields, defects: Defects) -> Iterator[Content]:
    """The contents that a header can be read as. Each has all names of the header."""
    every = parse_content(fields, "text/plain", defects)
    types = fields.get(b"content-type", [b"text/plain"])
    dispositions = fields.get(b"content-disposition", [b""])
    count = 0
    for media_type in dict.fromkeys(types):
        for disposition in dict.fromkeys(dispositions):
            for encoding in _encodings(fields):
                count += 1
                if count > _MAX_CHOICES:
                    raise _LimitReachedError
                one = {b"content-type": [media_type], b"content-disposition": [disposition]}
                yield parse_content(one, "text/plain", defects, every.names)._replace(encoding=encoding)


def _encodings(fields: Fields) -> list[str]:
    """Known encodings as they are; for an unknown one each that a client could guess."""
    values = fields.get(b"content-transfer-encoding", [])
    words = {value.strip().lower().decode("latin-1") for value in values} or {"7bit"}
    if words <= KNOWN:
        return sorted(words)
    return ["7bit", "base64", "quoted-printable"]


def _other_kinds(raw: bytes, encoding: str) -> Iterator[str]:
    """Kinds that decoders find who stop at, or start again behind, what does not belong there."""
    if encoding == "base64":
        yield detect_kind(b"".join(base64_bytes(chunk) for chunk in raw.split(b"=")))
        yield detect_kind(b"".join(base64_bytes(chunk) for chunk in raw.split(b"\r\n")))
        yield detect_kind(base64_bytes(raw.translate(_URL_SAFE)))
        digits = raw.replace(b"\r\n", b"").lstrip()
        foreign = digits.translate(None, BASE64)[:1]
        yield detect_kind(base64_bytes(digits.partition(foreign)[0] if foreign else digits))
    elif encoding == "quoted-printable":
        yield detect_kind(decode_quoted_printable(STRAY_EQUALS.sub(b"", raw)))
