"""Lays tables out for a width. No word is broken: ids, addresses and links stay whole. Pure."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

GAP = "  "

Row = Sequence[str]


def layout(table: Sequence[Row], width: int | None) -> list[list[list[str]]] | None:
    """Returns the printed lines of each row, a line as a list of cells that are padded alike.

    `width` None: as wide as the content. Returns None where the longest words do not fit.
    """
    widths = _widths(table, width)
    return None if widths is None else [_lines(row, widths) for row in table]


def record(fields: Iterable[tuple[str, str]], width: int | None) -> Iterator[tuple[str, str]]:
    """Yields (name, value) for each line of one record; the name of further lines is empty."""
    fields = [*fields]
    size = max((len(name) for name, _ in fields), default=0)
    for name, value in fields:
        for place, line in enumerate(_wrapped(value, width and max(width - size - len(GAP), 1))):
            yield ("" if place else name).ljust(size), line


def _widths(table: Sequence[Row], width: int | None) -> list[int] | None:
    """The natural widths, or narrower ones that fit. The widest columns shrink first."""
    columns = [*zip(*table, strict=True)]
    widths = [_longest(line for cell in column for line in cell.splitlines()) for column in columns]
    least = [_longest(word for cell in column for word in cell.split()) for column in columns]
    room = None if width is None else width - len(GAP) * (len(columns) - 1)
    if room is None or sum(widths) <= room:
        return widths
    if sum(least) > room:
        return None
    while sum(widths) > room:
        place = max((place for place, size in enumerate(widths) if size > least[place]), key=widths.__getitem__)
        widths[place] -= 1
    return widths


def _lines(row: Row, widths: Sequence[int]) -> list[list[str]]:
    wrapped = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        [part.ljust(width) for part, width in zip(parts, widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue="")
    ]


def _wrapped(cell: str, width: int | None) -> list[str]:
    """The lines of a cell, broken at blanks alone."""
    lines = cell.splitlines() or [""]
    if width is None:
        return lines
    return [part for line in lines for part in (_broken(line, width) if len(line) > width else [line])]


def _broken(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]


def _longest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
