"""What a mail with defects shows in other readings than the likeliest one.

Parsers disagree on where a part begins, which of two fields counts, and how a content is decoded.
None of them shows a file without a header field that names it or a content that tells its kind. So
this looks at every place that some parser could take for a part's header, wherever it is
(possible_headers.py), and at each type, disposition, encoding and start of content that the header
allows (possible_contents.py).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from varco_common.mime.buffer import Buffer
from varco_common.mime.content import IDENTITY, Content
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.embedded import MAX_EMBEDDED, TextSearch
from varco_common.mime.encodings import check_bytes
from varco_common.mime.file_kinds import SAMPLE
from varco_common.mime.headers import Fields
from varco_common.mime.leaf import embedded_parts, read_leaf
from varco_common.mime.model import Part
from varco_common.mime.possible_contents import decodings, is_no_base64, other_kinds, possible_contents
from varco_common.mime.possible_headers import MAX_HEADERS, LimitReachedError, possible_headers, views

_D = Defect
ENUMERABLE = frozenset(
    {
        _D.HEADER_WITHOUT_COLON, _D.BLANK_BEFORE_COLON, _D.ODD_FIELD_NAME, _D.BLANK_HEADER_LINE,
        _D.BLANK_BEFORE_HEADER, _D.HEADER_UNFINISHED, _D.TWO_TYPES, _D.TWO_DISPOSITIONS, _D.TWO_ENCODINGS,
        _D.BAD_TYPE, _D.BOUNDARY_MISSING, _D.BOUNDARY_ODD, _D.BOUNDARY_TOO_LONG, _D.BOUNDARY_REUSED,
        _D.BOUNDARY_PREFIX, _D.DELIMITER_ODD, _D.DELIMITER_PADDED, _D.DELIMITER_AFTER_END, _D.NO_DELIMITER,
        _D.MISSING_END, _D.PART_OUTSIDE, _D.ENCODED_MULTIPART, _D.ENCODED_MESSAGE, _D.UNKNOWN_ENCODING,
        _D.HEADER_IN_CONTENT, _D.BASE64_FOREIGN, _D.BASE64_AFTER_PADDING,
        _D.BASE64_PADDING, _D.BROKEN_QUOTED_PRINTABLE, _D.BAD_PARAMETER,
    }
)  # fmt: skip
"""The defects whose every reading is listed. All others leave something that nobody can list."""

_OF_FROM = frozenset({_D.FROM_MISSING, _D.FROM_UNREADABLE, _D.TOO_MANY_AUTHORS})
_NOT_OF_CONTENT = frozenset(b"from sender subject date message-id bcc resent-bcc".split())
_MAX_FIELDS = 64 << 10  # bytes of the fields of different headers; ordinary ones take 200 bytes each
_MAX_DECODED = 16 << 20  # bytes of encoded messages and multiparts that are opened
_MAX_OPENED = 6  # of these
_MAX_DEPTH = 3  # of encoded messages in encoded messages
_FEW_BYTES = 64
_DELIMITER = re.compile(rb"\r\n--[^\r\n]*(?=\r\n)")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_CONTAINERS = ("multipart/", "message/")


class _Text(NamedTuple):
    """A mail, or a decoded piece of one.

    `depth` counts the decodings; `where` is the place of its encoded form.
    """

    body: Buffer
    depth: int = 0
    where: tuple[int, int] | None = None


def list_readings(body: Buffer, parts: Iterable[Part], defects: Defects) -> tuple[list[Part], tuple[str, ...]]:
    """The parts that only other readings show, and the defects whose readings are listed with that.

    Adds defects that only another reading has. After a limit no reading counts as listed.
    """
    enumerated = tuple(defect.value for defect in Defect if defect in defects and defect in ENUMERABLE)
    if not enumerated or _D.TOO_MANY_NAMES in defects:  # such headers take long, and lists refuse them
        return [], ()
    sweep = _Sweep(parts, ", ".join(enumerated[:3]), only_files=enumerated == (_D.HEADER_IN_CONTENT,))
    try:
        sweep.look_at(_Text(body))
    except LimitReachedError:
        return sweep.parts, ()
    defects |= sweep.defects - ENUMERABLE - _OF_FROM
    return sweep.parts, enumerated


class _Sweep:
    """Collects `parts` that differ from the known ones in what an account's rule looks at.

    With `only_files` a part needs a name, or a content that tells its kind: an ordinary text quotes
    the fields of HTTP.
    """

    def __init__(self, known: Iterable[Part], reading: str, *, only_files: bool) -> None:
        self.parts: list[Part] = []
        self.defects: Defects = set()
        self._known: dict[tuple[object, ...], set[str]] = {}  # what an account's rule looks at: the kinds
        for part in known:
            self._known.setdefault(_judged(part), set()).add(part.kind)
        self._reading = reading
        self._only_files = only_files
        self._contents: dict[tuple[object, ...], list[Content]] = {}  # by the fields that were read
        self._kinds: dict[tuple[bytes, str], tuple[str, ...]] = {}  # by the first bytes and their encoding
        self._headers = 0
        self._field_bytes = 0
        self._decoded = 0
        self._opened = 0

    def look_at(self, text: _Text) -> None:
        self._look_for_files(text)
        for header in possible_headers(text.body):
            self._headers += 1
            if self._headers > MAX_HEADERS:
                raise LimitReachedError
            seen = set()
            for place, fields in views(text.body, header, self.defects):
                for content in self._contents_of(fields):
                    if (place, content) not in seen:
                        seen.add((place, content))
                        self._read(text, content, place, fields)

    def _contents_of(self, fields: Fields) -> list[Content]:
        """Equal headers are read once: there may be a hundred long ones."""
        read = [(name, *values) for name, values in fields.items() if name not in _NOT_OF_CONTENT]
        key = (Defect.BAD_PARAMETER in self.defects, *read)  # names.py looks at this defect
        if key not in self._contents:
            self._field_bytes += sum(len(value) for field in read for value in field[1:])
            if self._field_bytes > _MAX_FIELDS:
                raise LimitReachedError
            self._contents[key] = list(possible_contents(fields, self.defects))
        return self._contents[key]

    def _look_for_files(self, text: _Text) -> None:
        search = TextSearch()
        for piece in text.body.lines(0, text.body.size):
            search.add_plain(check_bytes(piece, self.defects))
        if len(search.files) > MAX_EMBEDDED:
            raise LimitReachedError
        self._add(embedded_parts(search.files, "", (0, text.body.size), False, self.defects), text.where)

    def _read(self, text: _Text, content: Content, place: tuple[int, int], fields: Fields) -> None:
        if content.media_type.startswith(_CONTAINERS) and content.encoding not in IDENTITY:
            is_guess = not any(b"64" in value for value in fields.get(b"content-transfer-encoding", ()))
            if not (is_guess and is_no_base64(text.body, content, place)):
                self._open(text, content.encoding, place)
        if content.media_type.startswith("multipart/") and not content.names:
            content = content._replace(media_type="text/plain")  # without a boundary it is a text
        leaf = read_leaf(text.body, content, "", place, room=MAX_HEADERS, defects=self.defects)
        self._add(leaf.parts, text.where)
        for kind in self._other_kinds(text.body, content.encoding, place):
            self._add([msgspec.structs.replace(leaf.parts[0], kind=kind)], text.where)

    def _other_kinds(self, body: Buffer, encoding: str, place: tuple[int, int]) -> tuple[str, ...]:
        """Equal contents are read once."""
        raw = body.slice(place[0], min(place[1], place[0] + 2 * SAMPLE))
        if len(raw) < _FEW_BYTES:  # a line like a delimiter ends it, which some skip
            raw = _DELIMITER.sub(b"\r\n", b"\r\n" + body.slice(place[0], place[0] + 2 * SAMPLE))[2:]
        if (raw, encoding) not in self._kinds:
            self._kinds[raw, encoding] = tuple(other_kinds(raw, encoding))
        return self._kinds[raw, encoding]

    def _open(self, text: _Text, encoding: str, place: tuple[int, int]) -> None:
        """Decodes a message or multipart and all behind it: what looks like its end may not be."""
        start = place[0]
        self._decoded += text.body.size - start
        self._opened += 1
        if self._opened > _MAX_OPENED or self._decoded > _MAX_DECODED or text.depth == _MAX_DEPTH:
            raise LimitReachedError
        raw = check_bytes(b"\r\n" + text.body.slice(start, text.body.size), set())[2:]
        for decoded in decodings(raw, encoding):
            lines = b"\r\n" + _LINE_END.sub(b"\r\n", decoded)
            self.look_at(_Text(Buffer(lines.replace(b"\r\n.", b"\r\n..")), text.depth + 1, text.where or place))

    def _add(self, parts: Iterable[Part], where: tuple[int, int] | None) -> None:
        for part in parts:
            kinds = self._known.setdefault(_judged(part), set())
            if part.kind in kinds or (kinds and not part.kind):  # an unknown kind contradicts no name
                continue
            if self._only_files and not part.names and not part.kind:
                continue
            kinds.add(part.kind)
            start, end = where or (part.start, part.end)
            path = f"reading/{len(self.parts) + 1}"
            size = min(part.size, end - start)
            self.parts.append(
                msgspec.structs.replace(part, path=path, start=start, end=end, size=size, reading=self._reading)
            )


def _judged(part: Part) -> tuple[object, ...]:
    """What an account's rule looks at, besides the kind."""
    return part.names, part.media_type, part.disposition == "attachment"
