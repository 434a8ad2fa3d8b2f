"""The first reading of a mail: which of its entities must be encoded, and how. Pure."""

import codecs
from dataclasses import dataclass, field

from varco_relay.seven_bit.walker import ContentLine, Entity, Header, NotConvertible, Step, Walker

MAX_LINE = 998  # bytes without CRLF (RFC 5322 2.1.1)
_MESSAGE = "message/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlan:
    """The new Content-Transfer-Encoding of entities by number; `7bit` leaves the content as it is.

    `charset` is that of a mail without MIME fields, which gets them; else empty. `growth` is about
    how many bytes the mail grows by. Without `changes` it leaves as it is: clients declare 8BITMIME
    for plain ASCII, too.
    """

    encodings: dict[int, str]
    charset: str = ""
    growth: int = 0
    changes: bool = True


@dataclass(slots=True)
class _Seen:
    """How many bytes an entity has, and how many of them are not ASCII."""

    entity: Entity
    size: int = 0
    eight_bit: int = 0


@dataclass(slots=True)
class Survey:
    """Takes all lines of a mail, then plans. `_utf8` None: they are no UTF-8."""

    _walker: Walker = field(default_factory=Walker)
    _entities: list[_Seen] = field(default_factory=list)
    _has_type: bool = False
    _ascii: bool = True
    _utf8: codecs.IncrementalDecoder | None = field(default_factory=codecs.getincrementaldecoder("utf-8"))

    def feed(self, line: bytes) -> None:
        """Raises NotConvertible."""
        self._ascii = self._ascii and line.isascii()
        for step in self._walker.feed(line):
            self._see(step)

    def plan(self) -> ConversionPlan:
        """After the last line. Raises NotConvertible."""
        for step in self._walker.end():
            self._see(step)
        encodings = {}
        for seen in self._entities:
            if encoding := _encoding(seen):
                encodings[seen.entity.number] = encoding
        charset = "" if self._has_type else "utf-8" if self._utf8 else "unknown-8bit"  # RFC 1428 3
        growth = sum(seen.size // 2 + 2 * seen.eight_bit for seen in self._entities if seen.entity.number in encodings)
        return ConversionPlan(
            encodings=encodings, charset=charset, growth=growth, changes=bool(encodings) or not self._ascii
        )

    def _see(self, step: Step) -> None:
        match step:
            case Header(entity=entity, block=block):
                self._entities.append(_Seen(entity))
                if entity.number == 0:
                    self._has_type = b"\ncontent-type:" in b"\n" + block.lower()
            case ContentLine(entity=entity, line=line):
                self._count(self._entities[entity.number], line)
            case _:
                pass

    def _count(self, seen: _Seen, line: bytes) -> None:
        seen.size += len(line) + 2
        if line.isascii():
            return
        if seen.entity.sealed:
            raise NotConvertible("it is signed or encrypted")
        if seen.entity.content.media_type.startswith(_MESSAGE):  # RFC 2046 5.2: these are never encoded
            raise NotConvertible(f"a part of type {seen.entity.content.media_type} has 8-bit characters")
        seen.eight_bit += len(line) - len(line.decode("ascii", "ignore"))
        if not self._has_type and self._utf8:
            try:
                self._utf8.decode(line + b"\r\n")
            except UnicodeDecodeError:
                self._utf8 = None


def _encoding(seen: _Seen) -> str:
    """Empty if the entity can stay as it is."""
    content = seen.entity.content
    if not seen.eight_bit:
        return "7bit" if content.encoding in ("8bit", "binary") and not seen.entity.sealed else ""
    if content.encoding in ("quoted-printable", "base64"):
        raise NotConvertible(f"a part says that it is {content.encoding}, and has 8-bit characters")
    is_text = content.media_type.startswith("text/")
    return "quoted-printable" if is_text and seen.eight_bit * 4 < seen.size else "base64"
