"""Walks over a mail line by line: which entity (RFC 2045 2.4) each line belongs to. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from varco_common.mime.content import IDENTITY, Content, parse_content
from varco_common.mime.defects import Defects
from varco_common.mime.headers import parse_fields

MAX_ENTITIES = 1_000
MAX_DEPTH = 40
MAX_HEADER_LINES = 10_000
MESSAGES = ("message/rfc822", "message/global")
_SEALED = ("multipart/signed", "multipart/encrypted")
_SEALED_LEAVES = ("application/pkcs7-mime", "application/x-pkcs7-mime")


class NotConvertible(Exception):
    """The mail cannot be made 7-bit; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A mail, a part of it, or a message in it; `number` counts from 0, the mail itself.

    `sealed`: it is signed or encrypted, or inside of what is.
    """

    number: int
    content: Content
    sealed: bool
    is_container: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an entity: its lines with CRLF, without the empty line behind them."""

    entity: Entity
    block: bytes


@dataclass(frozen=True, slots=True)
class ContentLine:
    """A line of a leaf, without CRLF and without dot-stuffing."""

    entity: Entity
    line: bytes


@dataclass(frozen=True, slots=True)
class OtherLine:
    """A delimiter, the empty line behind a header, or text that no client shows."""

    line: bytes


Step = Header | ContentLine | OtherLine


@dataclass(slots=True)
class _Level:
    """An open multipart; without a boundary, an open message."""

    boundary: bytes
    default: str
    sealed: bool
    closed: bool = False


@dataclass(slots=True)
class Walker:
    """Takes lines in wire form without their CRLF, and gives steps."""

    _levels: list[_Level] = field(default_factory=list)
    _header: list[bytes] | None = field(default_factory=list)
    _leaf: Entity | None = None
    _count: int = 0

    def feed(self, wire: bytes) -> Iterator[Step]:
        line = wire[1:] if wire.startswith(b".") else wire
        level = self._delimited(line) if line.startswith(b"--") else -1
        if level >= 0:
            yield from self._end_header()
            yield from self._delimiter(line, level)
        elif self._header is not None:
            yield from self._header_line(line)
        elif self._leaf:
            yield ContentLine(self._leaf, line)
        else:
            yield OtherLine(line)

    def end(self) -> Iterator[Step]:
        """At the end of the mail: a header may not have ended."""
        yield from self._end_header()

    def _delimited(self, line: bytes) -> int:
        """The level whose delimiter the line is, or -1 (RFC 2046 5.1.1)."""
        text = line.rstrip(b" \t")
        for number in range(len(self._levels) - 1, -1, -1):
            level = self._levels[number]
            if level.boundary and not level.closed and text in (b"--" + level.boundary, b"--" + level.boundary + b"--"):
                return number
        return -1

    def _delimiter(self, line: bytes, number: int) -> Iterator[Step]:
        del self._levels[number + 1 :]
        level = self._levels[number]
        level.closed = line.rstrip(b" \t") == b"--" + level.boundary + b"--"
        self._leaf, self._header = None, None if level.closed else []
        yield OtherLine(line)

    def _header_line(self, line: bytes) -> Iterator[Step]:
        assert self._header is not None
        if line:
            self._header.append(line)
            if len(self._header) > MAX_HEADER_LINES:
                raise NotConvertible("a header is too long")
            return
        yield from self._end_header()
        yield OtherLine(line)

    def _end_header(self) -> Iterator[Step]:
        if self._header is None:
            return
        lines, self._header = self._header, None
        block = b"".join(line + b"\r\n" for line in lines)
        if not block.isascii():
            raise NotConvertible("a header field has 8-bit characters")
        entity = self._entity(block)
        self._leaf = None if entity.is_container else entity
        yield Header(entity, block)

    def _entity(self, block: bytes) -> Entity:
        above = self._levels[-1] if self._levels else None
        defects: Defects = set()
        fields = parse_fields(block.removesuffix(b"\r\n"), defects)
        content = parse_content(fields, above.default if above else "text/plain", defects, names=())
        if defects:  # another reader may see another structure, and another mail after the conversion
            raise NotConvertible(f"it is ambiguous ({', '.join(sorted(defect.value for defect in defects))})")
        is_message = content.media_type in MESSAGES
        is_container = (is_message or bool(content.boundary)) and content.encoding in IDENTITY
        if content.media_type.startswith("multipart/") and not is_container:
            raise NotConvertible("a multipart has no boundary, or is encoded")
        sealed = bool(above and above.sealed) or content.media_type in (*_SEALED, *_SEALED_LEAVES)
        entity = Entity(number=self._count, content=content, sealed=sealed, is_container=is_container)
        self._count += 1
        if self._count > MAX_ENTITIES or len(self._levels) >= MAX_DEPTH:
            raise NotConvertible("it has too many parts")
        if is_container:
            self._open(content, sealed=sealed, is_message=is_message)
        return entity

    def _open(self, content: Content, *, sealed: bool, is_message: bool) -> None:
        default = "message/rfc822" if content.media_type == "multipart/digest" else "text/plain"  # RFC 2046 5.1.5
        self._levels.append(_Level(b"" if is_message else content.boundary, default, sealed))
        if is_message:
            self._header = []
