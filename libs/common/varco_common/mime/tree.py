"""The walk over a mail's parts, once from start to end: header, content, delimiter, header ..."""

from typing import NamedTuple

import msgspec

from varco_common.mime.buffer import Buffer
from varco_common.mime.content import IDENTITY, Content, parse_content
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.delimiters import Delimiter, Delimiters
from varco_common.mime.encodings import check_bytes
from varco_common.mime.header_block import HeaderBlock, read_mail_header, read_part_header
from varco_common.mime.headers import Fields
from varco_common.mime.leaf import MESSAGES, check_no_parts, make_part, read_leaf
from varco_common.mime.model import Part

MAX_ENTITIES = 500  # headers that are read
MAX_DEPTH = 32


class Level(NamedTuple):
    """An open multipart or message.

    `prefix` stands before its children's section numbers. `listed` is its index in `parts`, -1 if
    it is not listed. `default` is the media type of a child that names none.
    """

    prefix: str
    start: int
    default: str
    boundary: bytes
    listed: int


class Tree:
    """Walks one mail.

    Then `parts`, `fields` of its own header, and the other attributes are set.
    """

    def __init__(self, body: Buffer, defects: Defects) -> None:
        self.parts: list[Part] = []
        self.fields: Fields = {}
        self.header_end = 0
        self.signed = False
        self.encrypted = False
        self._body = body
        self._defects = defects
        self._delimiters = Delimiters(body, defects)
        self._levels: list[Level] = []
        self._children: list[int] = []  # of each level: how many it has had
        self._entities = 1
        self._leaves = 0
        self._smime = ""  # of the last leaf

    def walk(self) -> None:
        start, self.header_end, self.fields = read_mail_header(self._body, self._defects)
        default, fields = "text/plain", self.fields
        while True:
            content = parse_content(fields, default, self._defects)
            if self._enter(content, start):
                if content.media_type in MESSAGES:
                    start, _, fields = self._next_header(start)
                    default = "text/plain"
                    continue
                delimiter = self._next_delimiter(start)
                self._check_outside(start, delimiter.start)
            else:
                delimiter = self._next_delimiter(start)
                self._add_leaf(content, start, max(start, delimiter.start))
            delimiter = self._leave_levels(delimiter)
            if delimiter.level < 0 or self._entities >= MAX_ENTITIES:
                break
            self._children[-1] += 1
            default = self._levels[-1].default
            start, _, fields = self._next_header(delimiter.end)
        if self._entities >= MAX_ENTITIES:
            self._defects.add(Defect.TOO_MANY_PARTS)
        if self._leaves == 1 and self._smime:  # beside other parts it is a document, not S/MIME (RFC 8551 3.2)
            self.signed = self.signed or self._smime == "signed-data"
            self.encrypted = self.encrypted or self._smime != "signed-data"

    def _next_header(self, start: int) -> HeaderBlock:
        self._entities += 1
        return read_part_header(self._body, self._delimiters, start, self._defects)

    def _next_delimiter(self, start: int) -> Delimiter:
        """The delimiter that ends what starts at `start`, or the mail's end."""
        size = self._body.size
        return self._delimiters.next(max(start - 2, 0), size) or Delimiter(size, size, -1, closes=False)

    # down into a multipart or message

    def _enter(self, content: Content, start: int) -> bool:
        """Opens a multipart or a message. False for a leaf, and for what must not be opened."""
        is_message = content.media_type in MESSAGES
        if not is_message and not content.boundary:
            return False
        if content.encoding not in IDENTITY:
            self._defects.add(Defect.ENCODED_MESSAGE if is_message else Defect.ENCODED_MULTIPART)
            return False
        if len(self._levels) >= MAX_DEPTH:
            self._defects.add(Defect.TOO_DEEP)
            return False
        self._push(content, start, is_message)
        return True

    def _push(self, content: Content, start: int, is_message: bool) -> None:
        path, prefix = self._section_numbers(is_message)
        listed = -1
        if is_message or content.names:
            listed = len(self.parts)
            self.parts.append(make_part(content, path, (start, start), 0, "eml" if is_message else ""))
        default = "message/rfc822" if content.media_type == "multipart/digest" else "text/plain"  # RFC 2046 5.1.5
        self._levels.append(Level(prefix, start, default, content.boundary if not is_message else b"", listed))
        self._children.append(0)
        self.signed = self.signed or content.media_type == "multipart/signed"
        self.encrypted = self.encrypted or content.media_type == "multipart/encrypted"
        if not is_message:
            self._delimiters.open(content.boundary, len(self._levels) - 1)

    def _section_numbers(self, is_message: bool) -> tuple[str, str]:
        """This entity's own section number, and the prefix of its children's (RFC 3501 6.4.5)."""
        above = self._levels[-1].prefix if self._levels else ""
        if self._levels and self._levels[-1].boundary:
            path = f"{above}{self._children[-1]}"
            return path, path + "."
        if is_message:
            return f"{above}1", f"{above}1."
        return f"{above}0", above

    # a leaf

    def _add_leaf(self, content: Content, start: int, end: int) -> None:
        room = 2 * MAX_ENTITIES - len(self.parts)
        leaf = read_leaf(self._body, content, self._leaf_path(), (start, end), room=room, defects=self._defects)
        self.parts += leaf.parts
        self.signed = self.signed or b"SIGNED MESSAGE" in leaf.pgp
        self.encrypted = self.encrypted or leaf.pgp == b"MESSAGE"
        self._leaves += 1
        self._smime = leaf.smime

    def _leaf_path(self) -> str:
        if not self._levels:
            return "1"
        level = self._levels[-1]
        return f"{level.prefix}{self._children[-1]}" if level.boundary else f"{level.prefix}1"

    # up again

    def _leave_levels(self, delimiter: Delimiter) -> Delimiter:
        """Leaves the levels that the delimiter ends; returns the delimiter of the next part."""
        while True:
            while len(self._levels) - 1 > delimiter.level:
                self._leave(delimiter.start, closed=False)
            if not delimiter.closes:
                return delimiter
            self._delimiters.close(delimiter.level)
            self._leave(delimiter.start, closed=True)
            following = self._next_delimiter(delimiter.end)
            self._check_outside(delimiter.end, following.start)
            self._delimiters.leave(delimiter.level)
            delimiter = following

    def _leave(self, end: int, *, closed: bool) -> None:
        level = self._levels.pop()
        children = self._children.pop()
        if level.boundary and not children:
            self._defects.add(Defect.NO_DELIMITER)
        if level.boundary and not closed:
            self._defects.add(Defect.MISSING_END)
            self._delimiters.leave(len(self._levels))
        if level.listed >= 0:
            end = max(level.start, end)
            part = self.parts[level.listed]
            self.parts[level.listed] = msgspec.structs.replace(part, end=end, size=end - level.start)

    def _check_outside(self, start: int, end: int) -> None:
        """Text before the first delimiter or behind the last one must not look like a part."""
        if end - start <= 2:
            return
        for piece in self._body.lines(start, end):
            check_bytes(piece, self._defects)
        check_no_parts(self._body, start, end, self._defects)
