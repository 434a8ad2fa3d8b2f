"""Every name that a mail client could take for a part's file name. The likeliest comes first."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from varco_common.mime.defects import Defect, DefectFound
from varco_common.mime.encoded_words import decoded, has_words, text, unworded
from varco_common.mime.headers import MAX_FIELD

MAX_NAMES = 12  # of one part
MAX_NAME = 255  # characters
_MAX_READINGS = 60  # of one field, the same ones included
_MAX_VALUE = 1_024  # bytes behind name= that can belong to a name without quotes: four times what is too long
_MAX_OCCURRENCES = 48  # of name= in one field: RFC 2231 pieces count, too

# `name` or `filename` wherever they stand before a "=": after a semicolon, after none, in quotes that one client sees
# and another doesn't. The value is looked at, not consumed, so that a parameter inside a value is found as well.
_BLANKS = rb"(?:\s|\([^()]*\))*"
_PARAMETER = re.compile(
    rb"(?<![\w*.-])(?:file)?name(\*[0-9]*\*?)?" + _BLANKS + rb"=" + _BLANKS + rb'(?=("(?:[^"\\]|\\.)*"?)?([^;]*))',
    re.IGNORECASE | re.DOTALL,
)
# What some parsers forgive: the parameter's name in quotes, a colon in the place of the "=".
_FORGIVEN = re.compile(
    rb"""(;\s*|\A\s*)(?:(["'])((?:file)?name(?:\*[0-9]*\*?)?)\2\s*[=:]|((?:file)?name(?:\*[0-9]*\*?)?)\s*:)""",
    re.IGNORECASE,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT = re.compile(rb"\([^()]*\)")
_NEXT_PARAMETER = re.compile(rb"\s+[\w-]+(?:\*[0-9]*\*?)?\s*=")
_FOLD = re.compile(rb"\r\n[ \t]*")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_SEPARATOR = re.compile(r"[/\\]")


class _Piece(NamedTuple):
    """One `name*0*=` of RFC 2231; `number` is -1 where there is none."""

    number: int
    encoded: bool
    value: bytes


def names(fields: Iterable[bytes], found: DefectFound, whole: Iterable[bytes] = ()) -> tuple[str, ...]:
    """The names in the values of Content-Disposition and Content-Type fields, and the values that are `whole` names."""
    result: dict[str, None] = {}
    for count, name in enumerate(_all_names(fields, whole, found)):
        if "=?" in name or "?=" in name:  # half an encoded word, which one client decodes and another doesn't
            found.add(Defect.BAD_PARAMETER)
        result.update(dict.fromkeys(_variants(name, found)))
        if len(result) > MAX_NAMES or count > _MAX_READINGS:  # enough: each more costs time
            found.add(Defect.TOO_MANY_NAMES)
            return tuple(result)[:MAX_NAMES]
    return tuple(result)


def _all_names(fields: Iterable[bytes], whole: Iterable[bytes], found: DefectFound) -> Iterator[str]:
    for value in fields:
        if b"name" in value.lower():
            yield from _field_names(value, found)
            if _FORGIVEN.search(value[:MAX_FIELD]):
                yield from _field_names(_FORGIVEN.sub(rb"\1\3\4=", value[:MAX_FIELD]), found)
    for value in whole:
        yield from _texts(value.strip().strip(b'"')[:_MAX_VALUE])


def _field_names(value: bytes, found: DefectFound) -> Iterator[str]:
    plain: list[tuple[bytes | None, bytes]] = []
    pieces: list[_Piece] = []
    if len(value) > MAX_FIELD:
        found.add(Defect.HEADER_TOO_LONG)
    for count, match in enumerate(_PARAMETER.finditer(value[:MAX_FIELD])):
        if count == _MAX_OCCURRENCES:
            found.add(Defect.TOO_MANY_NAMES)
            break
        star, quoted, rest = match.groups()
        if star is None:
            plain.append((quoted, rest[:_MAX_VALUE]))
        else:
            number = star.strip(b"*")
            pieces.append(_Piece(int(number or -1), star.endswith(b"*"), _piece_value(quoted, rest)))
            if len(number) > 1 and number.startswith(b"0"):
                found.add(Defect.BAD_PARAMETER)
    if pieces:
        yield from _put_together(pieces, found)
    for quoted, rest in plain:
        for raw in _plain_values(quoted, rest, found):
            yield from _texts(raw)


def _plain_values(quoted: bytes | None, rest: bytes, found: DefectFound) -> Iterator[bytes]:
    """What can be read of `name=...`: `quoted` is its quoted string, `rest` all from there to the next semicolon."""
    if quoted is None:
        bare = _COMMENT.sub(b"", rest).strip()
        yield bare
        if bare.startswith(b"'"):
            yield bare.strip(b"'")
        yield from _with_extension(bare.partition(b" ")[0], re.split(rb"\s", bare, maxsplit=1)[0], rest.strip())
        return
    closed = len(quoted) > 1 and quoted.endswith(b'"')
    inner = quoted[1:-1] if closed else quoted[1:]
    if not closed:
        found.add(Defect.BAD_PARAMETER)
    yield _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner
    if b"\\" in inner:
        yield inner
    # Clients that don't know escapes end at the first quote; those that don't know quotes, at the first semicolon.
    yield from _with_extension(inner.partition(b'"')[0], inner.partition(b";")[0].strip())
    yield from _beyond(inner, rest if closed else b"", found)


def _beyond(inner: bytes, rest: bytes, found: DefectFound) -> Iterator[bytes]:
    """`"a".exe` is a.exe for clients that put together what stands before the semicolon."""
    if rest and not rest.isspace() and not _NEXT_PARAMETER.match(rest):
        rest = _COMMENT.sub(b"", rest).replace(b'"', b"")
        if rest.strip():
            found.add(Defect.BAD_PARAMETER)
            yield inner + rest.strip()


def _with_extension(*values: bytes) -> Iterator[bytes]:
    """A shortened reading is only worth telling where it still has an extension."""
    for value in values:
        if b"." in value:
            yield value


def _texts(raw: bytes) -> Iterator[str]:
    """The readings of one value: folds kept as blanks or dropped, encoded words, UTF-8 and Latin-1, percent signs."""
    for one in _unfoldings(raw) if b"\r\n" in raw else (raw,):
        if has_words(one):
            yield unworded(one)
            if b" " in one or b"\t" in one:  # a word that was split at blanks
                yield unworded(b"".join(one.split()))
            continue
        yield text(one)
        if not one.isascii():
            yield one.decode("latin-1")
        if b"%" in one:
            yield text(unquote_to_bytes(one))


def _unfoldings(raw: bytes) -> Iterable[bytes]:
    return dict.fromkeys((_FOLD.sub(b" ", raw), raw.replace(b"\r\n", b""), _FOLD.sub(b"", raw)))


def _piece_value(quoted: bytes | None, rest: bytes) -> bytes:
    if quoted is None:
        return (_COMMENT.sub(b"", rest).split() or [b""])[0]
    return _ESCAPED.sub(rb"\1", quoted.removeprefix(b'"').removesuffix(b'"'))


def _put_together(pieces: list[_Piece], found: DefectFound) -> Iterator[str]:
    """RFC 2231 3: by number. Sloppier clients: in order of appearance, the first or the last of doubles."""
    for whole in (piece for piece in pieces if piece.number < 0):
        yield from _extended(whole.value, found)
    numbered = [piece for piece in pieces if piece.number >= 0]
    if not numbered:
        return
    by_number = sorted(numbered, key=lambda piece: piece.number)
    orders = [by_number]
    if [piece.number for piece in by_number] != list(range(len(by_number))):
        found.add(Defect.BAD_PARAMETER)
        until_gap = [piece for place, piece in enumerate(by_number) if piece.number == place]
        firsts = {piece.number: piece for piece in reversed(by_number)}
        lasts = {piece.number: piece for piece in by_number}
        orders += [until_gap, [firsts[n] for n in sorted(firsts)], list(lasts.values())]
    if numbered != by_number:
        orders.append(numbered)
    for order in orders:
        yield from _joined(order, found)


def _joined(order: list[_Piece], found: DefectFound) -> Iterator[str]:
    if not any(piece.encoded for piece in order):
        yield from _texts(b"".join([piece.value for piece in order]))
        return
    head = order[0].value
    mark = head.rfind(b"'") + 1 if order[0].encoded and head.count(b"'") >= 2 else 0
    charset = head.partition(b"'")[0] if mark else b""
    if not mark:
        found.add(Defect.BAD_PARAMETER)
    values = [head[mark:], *[piece.value for piece in order[1:]]]
    strict = [unquote_to_bytes(v) if p.encoded else v for v, p in zip(values, order, strict=True)]
    yield from _in_charset(b"".join(strict), charset, found)
    if any(b"%" in v and not p.encoded for v, p in zip(values, order, strict=True)):
        yield from _in_charset(unquote_to_bytes(b"".join(values)), charset, found)


def _extended(value: bytes, found: DefectFound) -> Iterator[str]:
    """`charset'language'percent-encoded`; some clients leave the quotes away."""
    charset, quote, rest = value.partition(b"'")
    language, second, rest = rest.partition(b"'")
    if not (quote and second):
        found.add(Defect.BAD_PARAMETER)
        yield from _texts(unquote_to_bytes(value))
        return
    if b"'" in rest and language:  # the name has quotes itself and a client may look for the last one
        yield text(unquote_to_bytes(rest.rpartition(b"'")[2]))
    yield from _in_charset(unquote_to_bytes(rest), charset, found)


def _in_charset(raw: bytes, charset: bytes, found: DefectFound) -> Iterator[str]:
    known = decoded(raw, charset.decode("latin-1")) if charset else text(raw)
    if known is None or (charset and "\ufffd" in known):
        found.add(Defect.BAD_PARAMETER)
        yield from _texts(raw)
    if known is not None:
        yield known
    if has_words(raw):
        yield unworded(raw)


def _variants(name: str, found: DefectFound) -> Iterator[str]:
    """A name, and what file systems make of it: no dots at the end, no folder, no stream, nothing after NUL."""
    name = name.strip()
    if len(name) > MAX_NAME:
        found.add(Defect.NAME_TOO_LONG)
        name = name[:120] + "\u2026" + name[-120:]
    if not name.isprintable() and _CONTROL.search(name):
        found.add(Defect.ODD_NAME)
        if "." in (before := name.partition("\0")[0]):
            yield before
        name = _CONTROL.sub("", name)
    if not name:
        return
    yield name
    if (bare := name.rstrip(". \xa0")) != name and bare:
        yield bare
    if "/" in name or "\\" in name:
        yield from filter(None, _SEPARATOR.split(bare)[-1:])
    if ":" in name and "." in (stream := name.partition(":")[0]):
        yield stream
