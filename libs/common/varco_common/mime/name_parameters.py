"""The `name` and `filename` parameters of one header field, in every way that clients read them."""

import re
from collections.abc import Iterator

from varco_common.mime.continuations import Piece, continued_readings
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.headers import MAX_FIELD
from varco_common.mime.text_readings import text_readings

MAX_VALUE = 1_024  # bytes behind an unquoted name=: four times what is too long for a name
_MAX_OCCURRENCES = 48  # of name= in one field, RFC 2231 pieces included

# `name` or `filename` anywhere before a "=": after a semicolon, after none, in quotes that only
# some clients see. The lookahead consumes no value, so a parameter inside a value is found, too.
_BLANKS = rb"(?:\s|\([^()]*\))*+"
_SIGN = rb"[^\w\s=;:,?()\"'\\]"  # a star, or what some clients skip: `filename*<1=`
_PARAMETER = re.compile(
    rb"(?:(?<![\w*.-])name|filename)(\s*+" + _SIGN + rb"{1,4}+\s*+[0-9]*+\s*+\*{0,2}+[;?]?+)?" + _BLANKS + rb"=" + _BLANKS
    + rb'(?=("(?:[^"\\]|\\.)*"?)?([^;]*))',
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip
_NOT_DIGITS = re.compile(rb"[^0-9]+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT = re.compile(rb"\([^()]*\)")
_TEXT_BEHIND = re.compile(rb";[^=\s]++(?=\s|\Z)")
_NEXT_PARAMETER = re.compile(rb"\s+[\w-]+(?:\*[0-9]*\*?)?\s*=")


def name_readings(value: bytes, defects: Defects) -> Iterator[str]:
    """Every reading of every name in a field's value; duplicates are likely."""
    plain: list[tuple[bytes | None, bytes]] = []
    starred: list[tuple[bytes, bytes | None, bytes]] = []
    if len(value) > MAX_FIELD:
        defects.add(Defect.HEADER_TOO_LONG)
    for count, match in enumerate(_PARAMETER.finditer(value[:MAX_FIELD])):
        if count == _MAX_OCCURRENCES:
            defects.add(Defect.TOO_MANY_NAMES)
            break
        if match[1] is None:
            plain += _plain_parameter(value, match, defects)
        else:
            starred.append((match[1], match[2], match[3]))
    if starred:
        yield from _continued(starred, defects)
    for quoted, rest in plain:
        for raw in _plain_values(quoted, rest, defects):
            yield from text_readings(raw)


def _plain_parameter(value: bytes, match: re.Match[bytes], defects: Defects) -> Iterator[tuple[bytes | None, bytes]]:
    """A parameter without a star: its quoted string, and all up to the semicolon, or further."""
    quoted, rest = match[2], match[3]
    yield quoted, rest[:MAX_VALUE]
    if quoted is not None:
        return
    if behind := _TEXT_BEHIND.match(value, match.end(3)):  # `a;b.exe`: some clients read on
        yield None, (rest + behind[0]).rstrip(b";")[:MAX_VALUE]
    if rest.count(b'"') % 2:  # a quote inside: some clients read to the next one
        defects.add(Defect.BAD_PARAMETER)
        yield None, value[match.start(3) : MAX_FIELD][:MAX_VALUE]


def _continued(starred: list[tuple[bytes, bytes | None, bytes]], defects: Defects) -> Iterator[str]:
    """RFC 2231 parameters. An unquoted value ends at a blank, or some clients drop the blank."""
    pieces: list[Piece] = []
    for star, quoted, rest in starred:
        signs = b"".join(star.split())
        number = _NOT_DIGITS.sub(b"", signs)
        pieces.append(Piece(int(number or -1), signs.rstrip(b";?").endswith(b"*"), _piece_value(quoted, rest)))
        if len(number) > 1 and number.startswith(b"0"):
            defects.add(Defect.BAD_PARAMETER)
    yield from continued_readings(pieces, defects)
    if any(quoted is None and len(rest.split()) > 1 for _, quoted, rest in starred):
        folded = [
            piece if quoted is not None else piece._replace(value=b"".join(rest.split()))
            for piece, (_, quoted, rest) in zip(pieces, starred, strict=True)
        ]
        yield from continued_readings(folded, defects)


def _plain_values(quoted: bytes | None, rest: bytes, defects: Defects) -> Iterator[bytes]:
    """The values of `name=...`:

    `quoted` is its quoted string, `rest` all up to the next semicolon.
    """
    if quoted is None:
        yield from _unquoted_values(rest)
        return
    closed = len(quoted) > 1 and quoted.endswith(b'"')
    inner = quoted[1:-1] if closed else quoted[1:]
    if not closed:
        defects.add(Defect.BAD_PARAMETER)
    yield _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner
    if b"\\" in inner:
        yield inner
    # Clients that know no escapes stop at the first quote, those that know no quotes at the ";".
    if b'"' in inner or b";" in inner:
        yield from _with_extension(inner.partition(b'"')[0], inner.partition(b";")[0].strip())
    yield from _with_text_behind(inner, rest if closed else b"", defects)


def _unquoted_values(rest: bytes) -> Iterator[bytes]:
    bare = (_COMMENT.sub(b"", rest) if b")" in rest else rest).strip()
    yield bare
    if b'"' in bare:
        yield bare.replace(b'"', b"")
    if bare.startswith(b"'"):
        yield bare.strip(b"'")
    yield from _with_extension(bare.partition(b" ")[0], *bare.split(None, 1)[:1], rest.strip())


def _with_text_behind(inner: bytes, rest: bytes, defects: Defects) -> Iterator[bytes]:
    """`"a".exe` is a.exe for clients that join all text before the semicolon."""
    if rest and not rest.isspace() and not _NEXT_PARAMETER.match(rest):
        rest = _COMMENT.sub(b"", rest).replace(b'"', b"")
        if rest.strip():
            defects.add(Defect.BAD_PARAMETER)
            yield inner + rest.strip()


def _with_extension(*values: bytes) -> Iterator[bytes]:
    """A shortened name only matters if it still has an extension."""
    for value in values:
        if b"." in value or b"=?" in value:
            yield value


def _piece_value(quoted: bytes | None, rest: bytes) -> bytes:
    if quoted is None:
        return (_COMMENT.sub(b"", rest).split() or [b""])[0]
    return _ESCAPED.sub(rb"\1", quoted.removeprefix(b'"').removesuffix(b'"'))
