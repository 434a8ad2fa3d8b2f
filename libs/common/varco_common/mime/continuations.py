"""RFC 2231 parameters: `name*0=`, `name*1*=` and so on, joined in every order that clients use."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from varco_common.mime.defects import Defect, Defects
from varco_common.mime.encoded_words import decode_charset, decode_encoded_words, has_encoded_words, to_text
from varco_common.mime.text_readings import text_readings


class Piece(NamedTuple):
    """One `name*0*=`. `number` is -1 if it has none; `encoded` tells of a star at the end."""

    number: int
    encoded: bool
    value: bytes


def continued_readings(pieces: list[Piece], defects: Defects) -> Iterator[str]:
    """Joins the pieces by number (RFC 2231 3), and as sloppier clients do.

    Those take them in order of appearance, or of two with one number the first or the last.
    """
    for single in (piece for piece in pieces if piece.number < 0):
        yield from _extended_value(single.value, defects)
    numbered = [piece for piece in pieces if piece.number >= 0]
    if not numbered:
        return
    by_number = sorted(numbered, key=lambda piece: piece.number)
    orders = [by_number]
    if [piece.number for piece in by_number] != list(range(len(by_number))):
        defects.add(Defect.BAD_PARAMETER)
        until_gap = [piece for place, piece in enumerate(by_number) if piece.number == place]
        firsts = {piece.number: piece for piece in reversed(by_number)}
        lasts = {piece.number: piece for piece in by_number}
        orders += [until_gap, [firsts[n] for n in sorted(firsts)], list(lasts.values())]
    if numbered != by_number:
        orders.append(numbered)
    for order in orders:
        yield from _joined(order, defects)


def _joined(order: list[Piece], defects: Defects) -> Iterator[str]:
    if not any(piece.encoded for piece in order):
        yield from text_readings(b"".join([piece.value for piece in order]))
        return
    head = order[0].value
    mark = head.rfind(b"'") + 1 if order[0].encoded and head.count(b"'") >= 2 else 0
    charset = head.partition(b"'")[0] if mark else b""
    if not mark:
        defects.add(Defect.BAD_PARAMETER)
    values = [head[mark:], *[piece.value for piece in order[1:]]]
    strict = [unquote_to_bytes(v) if p.encoded else v for v, p in zip(values, order, strict=True)]
    yield from _in_charset(b"".join(strict), charset, defects)
    if any(b"%" in v and not p.encoded for v, p in zip(values, order, strict=True)):
        yield from _in_charset(unquote_to_bytes(b"".join(values)), charset, defects)


def _extended_value(value: bytes, defects: Defects) -> Iterator[str]:
    """`charset'language'percent-encoded`; some clients leave the quotes away."""
    charset, quote, rest = value.partition(b"'")
    language, second, rest = rest.partition(b"'")
    if not (quote and second):
        defects.add(Defect.BAD_PARAMETER)
        yield from text_readings(unquote_to_bytes(value))
        return
    if b"'" in rest and language:  # the name has quotes itself: a client may search for the last one
        yield to_text(unquote_to_bytes(rest.rpartition(b"'")[2]))
    yield from _in_charset(unquote_to_bytes(rest), charset, defects)


def _in_charset(raw: bytes, charset: bytes, defects: Defects) -> Iterator[str]:
    decoded = decode_charset(raw, charset.decode("latin-1")) if charset else to_text(raw)
    if decoded is None or (charset and "\ufffd" in decoded):
        defects.add(Defect.BAD_PARAMETER)
        yield from text_readings(raw)
    if decoded is not None:
        yield decoded
    if has_encoded_words(raw):
        yield decode_encoded_words(raw)
