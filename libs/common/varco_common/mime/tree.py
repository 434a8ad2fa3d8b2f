"""The walk over a mail's tree: header, content, delimiter, header ... without recursion, from start to end once."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from varco_common.mime import headers
from varco_common.mime.buffer import Buffer
from varco_common.mime.content import IDENTITY, Content, content
from varco_common.mime.defects import Defect, DefectFound
from varco_common.mime.delimiters import Delimiter, Delimiters
from varco_common.mime.embedded import MAX_EMBEDDED, Embedded, TextLook
from varco_common.mime.encoded_words import text
from varco_common.mime.encodings import check_bytes, measure_content
from varco_common.mime.file_kinds import FAR_SAMPLE, far_kind, kind
from varco_common.mime.model import Part
from varco_common.mime.names import MAX_NAME, names

MAX_PARTS = 500  # entities that are looked at
MAX_DEPTH = 32
MAX_HEADER = 128 * 1024  # bytes of one header that are looked into

_MESSAGES = ("message/rfc822", "message/global")  # RFC 2046 5.2.1, RFC 6532 3.7
_REFUSED = {"message/partial": Defect.PARTIAL_MESSAGE, "message/external-body": Defect.EXTERNAL_BODY}
_CALENDARS = ("text/calendar", "application/ics")
_PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_LIKE_A_PART = re.compile(
    rb"(?i)\r\n(?:content-(?:type|disposition|transfer-encoding)[ \t]*:|begin +[0-7]{3}|=ybegin )"
)


class Level(NamedTuple):
    """An open multipart or message. `prefix` stands before its children's numbers, `listed` is its place in `parts`."""

    prefix: str
    start: int
    default: str
    boundary: bytes
    listed: int


class Tree:
    """Walks one mail; then `parts`, `fields` (of the mail's own header), `header_end`, `signed`, `encrypted` hold."""

    def __init__(self, wire: Buffer, found: DefectFound) -> None:
        self.parts: list[Part] = []
        self.fields: headers.Fields = {}
        self.header_end = 0
        self.signed = False
        self.encrypted = False
        self._wire = wire
        self._found = found
        self._delimiters = Delimiters(wire, found)
        self._levels: list[Level] = []
        self._children: list[int] = []
        self._entities = 0

    def walk(self) -> None:
        start, end, self.fields = self._header(0)
        self.header_end = end
        default = "text/plain"
        fields = self.fields
        while True:
            what = content(fields, default, self._found)
            if self._opened(what, start):
                if what.media_type in _MESSAGES:
                    start, _, fields = self._header(start)
                    default = "text/plain"
                    continue
                delimiter = self._until(start)
                self._outside(start, delimiter.start)
            else:
                delimiter = self._until(start)
                self._leaf(what, start, max(start, delimiter.start))
            delimiter = self._ascended(delimiter)
            if delimiter.level < 0 or self._entities >= MAX_PARTS:
                break
            self._children[-1] += 1
            default = self._levels[-1].default
            start, _, fields = self._header(delimiter.end)
        if self._entities >= MAX_PARTS:
            self._found.add(Defect.TOO_MANY_PARTS)

    def _header(self, start: int) -> tuple[int, int, headers.Fields]:
        """Reads the header at `start`: where its content starts, where its last field ends, and its fields."""
        self._entities += 1
        wire, root = self._wire, start == 0
        if root:
            at = -2 if wire.slice(0, 2) == b"\r\n" else wire.find(b"\r\n\r\n", 0, wire.size)
        else:
            at = wire.find(b"\r\n\r\n", start - 2, min(start + MAX_HEADER, wire.size))
        stop = at if at >= 0 else wire.size if root else min(wire.size, start + MAX_HEADER)
        if not root and (cut := self._delimiters.next(start - 2, max(start, stop))):
            self._found.add(Defect.HEADER_UNFINISHED)
            at = cut.start - 2
            content_start = cut.start + 2
        elif at == -2 or at >= 0:
            content_start = at + 4
        else:
            if not root:
                self._found.add(Defect.HEADER_UNFINISHED)
            content_start = stop
        return content_start, *self._fields(start, at, content_start)

    def _fields(self, start: int, at: int, content_start: int) -> tuple[int, headers.Fields]:
        """The fields in [start, at); an `at` of -1 means that the header has no end."""
        stop = max(at + 2 if at != -1 else content_start, start)
        block = self._wire.slice(start, min(stop, start + MAX_HEADER))
        if stop - start > MAX_HEADER:
            self._found.add(Defect.HEADER_TOO_LONG)
            block = block[: max(block.rfind(b"\r\n"), 0)]
        return stop, headers.parse(block.removesuffix(b"\r\n"), self._found)

    def _opened(self, what: Content, start: int) -> bool:
        """Goes into a multipart or a message; False for a leaf, and for what can't be opened."""
        message = what.media_type in _MESSAGES
        if not message and not what.boundary:
            return False
        if what.encoding not in IDENTITY:
            self._found.add(Defect.ENCODED_MESSAGE if message else Defect.ENCODED_MULTIPART)
            return False
        if len(self._levels) >= MAX_DEPTH:
            self._found.add(Defect.TOO_DEEP)
            return False
        self._push(what, start, message)
        return True

    def _push(self, what: Content, start: int, message: bool) -> None:
        own, prefix = self._numbers(message)
        listed = -1
        if message or what.names:
            listed = len(self.parts)
            self.parts.append(_part(what, own, (start, start), 0, "eml" if message else ""))
        default = "message/rfc822" if what.media_type == "multipart/digest" else "text/plain"  # RFC 2046 5.1.5
        self._levels.append(Level(prefix, start, default, what.boundary if not message else b"", listed))
        self._children.append(0)
        self.signed = self.signed or what.media_type == "multipart/signed"
        self.encrypted = self.encrypted or what.media_type == "multipart/encrypted"
        if not message:
            self._delimiters.open(what.boundary, len(self._levels) - 1)

    def _numbers(self, message: bool) -> tuple[str, str]:
        """This entity's own section number, and what stands before its children's (RFC 3501 6.4.5)."""
        top = not self._levels or not self._levels[-1].boundary
        above = self._levels[-1].prefix if self._levels else ""
        if not top:
            own = f"{above}{self._children[-1]}"
            return own, own + "."
        if message or not self._levels:
            return (f"{above}1", f"{above}1.") if message else ("0", above)
        return f"{above}0", above

    def _until(self, start: int) -> Delimiter:
        """The delimiter that ends what starts at `start`, or the mail's end."""
        size = self._wire.size
        return self._delimiters.next(max(start - 2, 0), size) or Delimiter(size, size, -1, closes=False)

    def _ascended(self, delimiter: Delimiter) -> Delimiter:
        """Leaves the levels that a delimiter ends, passes what stands behind closed ones: the next part's delimiter."""
        while True:
            while len(self._levels) - 1 > delimiter.level:
                self._leave(delimiter.start, closed=False)
            if not delimiter.closes:
                return delimiter
            self._delimiters.close(delimiter.level)
            self._leave(delimiter.start, closed=True)
            behind = self._until(delimiter.end)
            self._outside(delimiter.end, behind.start)
            self._delimiters.leave(delimiter.level)
            delimiter = behind

    def _leave(self, end: int, *, closed: bool) -> None:
        level = self._levels.pop()
        children = self._children.pop()
        if level.boundary and not children:
            self._found.add(Defect.NO_DELIMITER)
        if level.boundary and not closed:
            self._found.add(Defect.MISSING_END)
            self._delimiters.leave(len(self._levels))
        if level.listed >= 0:
            end = max(level.start, end)
            part = self.parts[level.listed]
            self.parts[level.listed] = msgspec.structs.replace(part, end=end, size=end - level.start)

    def _outside(self, start: int, end: int) -> None:
        """Text before the first delimiter or behind the last one: nothing but a few words for old clients."""
        if end - start <= 2:
            return
        for piece in self._wire.lines(start, end):
            check_bytes(piece, self._found)
        self._hides_a_part(start, end)

    def _hides_a_part(self, start: int, end: int) -> None:
        if any(_LIKE_A_PART.search(piece) for piece in self._wire.lines(start, end)):
            self._found.add(Defect.PART_OUTSIDE)

    def _leaf(self, what: Content, start: int, end: int) -> None:
        path = self._leaf_path()
        calendar = what.media_type in _CALENDARS
        shown = calendar or what.media_type.startswith(("text/", "message/", "multipart/"))
        look = TextLook(calendar=calendar) if shown else None
        measure = measure_content(self._wire, (start, end), what.encoding, self._found, look)
        seen = kind(measure.sample) or (far_kind(measure.sample) if len(measure.sample) >= FAR_SAMPLE else "")
        if what.media_type in _MESSAGES:
            seen = "eml"
        if what.media_type.startswith("message/") and what.media_type not in (*_MESSAGES, "message/global-headers"):
            self._hides_a_part(start, end)  # a report; some clients read any message/* as a mail
        if refused := _REFUSED.get(what.media_type):
            self._found.add(refused)
        self.parts.append(_part(what, path, (start, end), measure.size, seen))
        self._flag(what, seen, look.pgp if look else b"")
        if look and look.files:
            exact = what.encoding not in ("base64", "quoted-printable") and measure.size == end - start
            self._files(look.files, path, start if exact else -1, end)

    def _leaf_path(self) -> str:
        if not self._levels:
            return "1"
        level = self._levels[-1]
        return f"{level.prefix}{self._children[-1]}" if level.boundary else f"{level.prefix}1"

    def _flag(self, what: Content, seen: str, pgp: bytes) -> None:
        if what.media_type in _PKCS7:
            signed = what.smime == "signed-data"
            self.signed, self.encrypted = self.signed or signed, self.encrypted or not signed
        if seen == "pgp" or pgp:
            self.signed = self.signed or b"SIGNED MESSAGE" in pgp
            self.encrypted = self.encrypted or pgp == b"MESSAGE"

    def _files(self, files: Sequence[Embedded], path: str, base: int, end: int) -> None:
        """Files inside a text that starts at `base`; where that is -1 (the text is encoded), theirs are the text's."""
        start = self.parts[-1].start
        if len(files) > MAX_EMBEDDED or len(self.parts) + len(files) > 2 * MAX_PARTS:
            self._found.add(Defect.TOO_MANY_PARTS)
            files = files[: max(2 * MAX_PARTS - len(self.parts), 0)]
        for number, file in enumerate(files[:MAX_EMBEDDED], 1):
            low = base + file.start if base >= 0 else start
            high = base + file.end if base >= 0 and file.end >= 0 else end
            known = names([b'; name="' + file.name.replace(b'"', b"") + b'"'], self._found)
            part = Part(
                path=f"{path}/{number}",
                media_type="application/octet-stream",
                start=low,
                end=min(high, end),
                size=min(high, end) - low,
                names=known or (text(file.name)[:MAX_NAME],),
                disposition="attachment",
                encoding=file.encoding,
                kind=kind(file.sample),
            )
            self.parts.append(part)


def _part(what: Content, path: str, where: tuple[int, int], size: int, seen: str) -> Part:
    return Part(
        path=path,
        media_type=what.media_type,
        start=where[0],
        end=where[1],
        size=size,
        names=what.names,
        disposition=what.disposition,
        encoding=what.encoding,
        charset=what.charset,
        content_id=what.content_id,
        kind=seen,
    )
