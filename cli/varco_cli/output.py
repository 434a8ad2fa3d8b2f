"""Prints what commands show: tables and lines for people, JSON for programs."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from varco_cli import table_layout, times

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs: times in UTC, sizes in bytes.")]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_BYTES = frozenset({"size", "bytes", "octets", "stored"})  # fields of the APIs that are numbers of bytes


class Styled(NamedTuple):
    """A text, and its colour or `bold` or `dim`."""

    text: str
    style: str = ""


def show(data: object, as_json: bool, human: Callable[[], None]) -> None:
    """Prints `data` as JSON, or lets `human` print it."""
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(data)).decode())
    else:
        human()


def line(*parts: str | Styled) -> None:
    """Prints a line of plain text, whose parts may have colours."""
    typer.echo("".join(_painted(part) for part in parts), color=_coloured())


def lines(texts: Iterable[str]) -> None:
    """Prints lines of plain text."""
    for text in texts:
        line(text)


def plain(text: str, keep: str = "") -> str:
    """Replaces control characters, except those in `keep`.

    Strangers choose the logins and addresses that events contain; a terminal must not obey them.
    """
    return text if text.isprintable() else "".join([c if c.isprintable() or c in keep else "\ufffd" for c in text])


def error(text: str) -> None:
    """Prints text on standard error."""
    typer.echo(plain(text, "\n"), err=True)


def step(text: str) -> None:
    """Prints a progress message on standard error."""
    typer.echo(_painted(Styled(text, "dim")), err=True, color=_coloured())


class TerminalProgress:
    """A line of a terminal that the next one replaces. In a pipe or a file, nothing."""

    def __init__(self) -> None:
        self._shown = False

    def show(self, text: str) -> None:
        if sys.stderr.isatty():
            room = shutil.get_terminal_size().columns - 1
            typer.echo(f"\r{plain(text)[:room]}\x1b[K", err=True, nl=False)
            self._shown = True

    def clear(self) -> None:
        """Removes the line, so that other output can begin where it was."""
        if self._shown:
            typer.echo("\r\x1b[K", err=True, nl=False)
            self._shown = False


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "none") -> None:
    """Prints a table, or the text `empty` where there are no rows.

    It is as wide as the terminal; in a pipe or a file, as its content. Where it does not fit, it
    becomes a block of lines for each row.
    """
    cells = [[_cell(name, value) for name, value in zip(columns, row, strict=True)] for row in rows]
    if not cells:
        line(empty)
        return
    heads = [Styled(name.replace("_", " "), "bold") for name in columns]
    laid_out = table_layout.layout([[cell.text for cell in row] for row in (heads, *cells)], _width())
    if laid_out is None:
        _blocks(heads, cells)
        return
    for row, printed in zip((heads, *cells), laid_out, strict=True):
        for parts in printed:
            _parts([Styled(part, cell.style) for part, cell in zip(parts, row, strict=True)])


def rows(columns: Sequence[str], records: Iterable[Mapping[str, Any]], empty: str = "none") -> None:
    """Prints a table of these fields of each record."""
    table(columns, ([record.get(name) for name in columns] for record in records), empty)


def listing(columns: Sequence[str], records: Sequence[Mapping[str, Any]], as_json: bool, empty: str = "none") -> None:
    """Prints records as JSON, or these fields of each as a table."""
    show(records, as_json, lambda: rows(columns, records, empty))


def record(fields: Mapping[str, Any]) -> None:
    """Prints one record, a line for each field."""
    shown = [(name.replace("_", " "), _cell(name, value).text) for name, value in fields.items()]
    for name, text in table_layout.record(shown, _width()):
        _parts([Styled(name, "bold"), Styled(text)])


def _blocks(heads: Sequence[Styled], cells: Sequence[Sequence[Styled]]) -> None:
    for place, row in enumerate(cells):
        if place:
            line()
        fields = [(head.text, cell.text) for head, cell in zip(heads, row, strict=True)]
        for name, text in table_layout.record(fields, _width()):
            _parts([Styled(name, "bold"), Styled(text)])


def _parts(parts: Sequence[Styled]) -> None:
    """Prints the cells of a line, without blanks at its end."""
    cells = [*parts]
    while len(cells) > 1 and not cells[-1].text.strip():
        cells.pop()
    cells[-1] = Styled(cells[-1].text.rstrip(), cells[-1].style)
    typer.echo(table_layout.GAP.join(map(_painted, cells)), color=_coloured())


def _cell(name: str, value: object) -> Styled:
    if isinstance(value, Styled):
        return Styled(plain(value.text, "\n"), value.style)
    if name in _BYTES and isinstance(value, int):
        return Styled(human_size(value))
    return Styled(_text(value))


def _text(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_text, value)) or "-"
        case dict():
            return "; ".join(f"{plain(str(name))}: {_text(item)}" for name, item in value.items()) or "-"
        case datetime() | str() if isinstance(value, datetime) or _TIME.fullmatch(value):
            return times.local(value)
    return plain(str(value), "\n")


def human_size(size: int) -> str:
    """Returns a size in at most four digits: `812 bytes`, `7.4 MB`, `120 GB`."""
    if size < 1000:
        return f"{size} byte{'' if size == 1 else 's'}"
    number, units = size / 1000, iter(("kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while number >= 999.5:  # it would be printed as 1000
        number, unit = number / 1000, next(units)
    return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"


def _painted(part: str | Styled) -> str:
    text, style = part if isinstance(part, Styled) else (part, "")
    match style:
        case "":
            return plain(text)
        case "bold":
            return typer.style(plain(text), bold=True)
        case "dim":
            return typer.style(plain(text), dim=True)
    return typer.style(plain(text), fg=style)


def _coloured() -> bool | None:
    """Without NO_COLOR (no-color.org), typer decides: colours are for terminals."""
    return False if os.environ.get("NO_COLOR") else None


def _width() -> int | None:
    """Columns of the terminal, or of COLUMNS; None for as many as the content needs."""
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None
