"""Where some parser could see a header in a mail, and which fields it reads there."""

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from varco_common.mime.buffer import Buffer
from varco_common.mime.defects import Defects
from varco_common.mime.header_block import MAX_HEADER
from varco_common.mime.headers import (
    FIELD_OF_CONTENT,
    WITHOUT_COLON,
    Fields,
    joined_blocks,
    parse_fields,
    searched_fields,
)

MAX_HEADERS = 150  # places that look like a header
_MAX_CONTENT = 1 << 20  # bytes of a content that only a skipped delimiter uncovers
_MAX_ENDS = 3  # lines of one header that may end it
_HEADER_ENDS_EARLY = re.compile(rb"\r\n(?:[ \t]+(?:\r\n|\Z)|(?=[^:\r\n \t][^:\r\n]*(?:\r\n|\Z)))")


class PossibleHeader(NamedTuple):
    """What some parser could take for a header: [start, end), and the end of its content."""

    start: int
    end: int
    content_end: int


class LimitReachedError(Exception):
    """There are more readings than are looked at."""


class View(NamedTuple):
    """The fields of a header in one reading, and the place of the content that belongs to it."""

    content: tuple[int, int]
    fields: Fields


def possible_headers(body: Buffer) -> Iterator[PossibleHeader]:
    """Every run of lines that starts with a field about a content, to a blank line or delimiter."""
    blocks: list[tuple[int, int]] = []
    for piece, offset in _located(body):
        for field in FIELD_OF_CONTENT.finditer(piece):
            at = max(offset + field.start() + 2, 0)
            if not blocks or at > blocks[-1][1]:
                blocks.append((at, _block_end(body, at)))
                if len(blocks) > MAX_HEADERS:
                    raise LimitReachedError
    for (start, end), (following, _) in pairwise([*blocks, (body.size, body.size)]):
        stop = max(following, end)
        delimiter = body.find(b"\r\n--", end, stop)
        yield PossibleHeader(start, end, delimiter if delimiter >= 0 else stop)


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


def views(body: Buffer, header: PossibleHeader, defects: Defects) -> Iterator[View]:
    """The readings of a header: all of it, up to what may end it, or on behind what may not."""
    text = body.slice(header.start, header.end)
    start = min(header.end + 4, body.size)
    for fields in _readings(text, defects):
        yield View((start, max(start, header.content_end)), fields)
    first = FIELD_OF_CONTENT.search(b"\r\n" + text)
    ends = _HEADER_ENDS_EARLY.finditer(text, max(first.end() - 2, 0)) if first else iter(())
    for early in islice(ends, _MAX_ENDS):
        start = header.start + early.end()
        yield View((start, max(start, header.content_end)), parse_fields(text[: early.start()], defects))
    if body.slice(header.end, header.end + 4) != b"\r\n\r\n":  # a line like a delimiter, which some skip
        yield from _views_behind_delimiter(body, header, defects)


def _readings(text: bytes, defects: Defects) -> Iterator[Fields]:
    fields = parse_fields(text, defects)
    yield fields
    if WITHOUT_COLON.search(text):
        for block in joined_blocks(text):
            yield parse_fields(block, defects)
    if further := searched_fields(text):
        yield {name: [*fields.get(name, ()), *further.get(name, ())] for name in {**fields, **further}}


def _views_behind_delimiter(body: Buffer, header: PossibleHeader, defects: Defects) -> Iterator[View]:
    end = body.find(b"\r\n\r\n", header.end, min(header.end + MAX_HEADER, body.size))
    if end >= 0:
        stop = min(end + _MAX_CONTENT, body.size)
        delimiter = body.find(b"\r\n--", end + 2, stop)
        for fields in _readings(body.slice(header.start, end), defects):
            yield View((end + 4, max(end + 4, delimiter if delimiter >= 0 else stop)), fields)
