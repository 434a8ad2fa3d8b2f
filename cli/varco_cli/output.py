"""Prints what commands show: tables and lines for people, JSON for programs."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

# In a pipe or a file, a table is as wide as its content.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 400)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def show(data: object, as_json: bool, human: Callable[[], None]) -> None:
    """Prints `data` as JSON, or lets `human` print it."""
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(data)).decode())
    else:
        human()


def line(text: str) -> None:
    """Prints a line of plain text. Nothing in it is markup: mail addresses may have brackets."""
    console.print(plain(text), markup=False)


def lines(texts: Iterable[str]) -> None:
    """Prints lines of plain text."""
    for text in texts:
        line(text)


def plain(text: str, keep: str = "") -> str:
    """Replaces control characters, except those in `keep`.

    Strangers choose the logins and addresses that events contain; a terminal must not obey them.
    """
    return text if text.isprintable() else "".join([c if c.isprintable() or c in keep else "\ufffd" for c in text])


def step(text: str) -> None:
    """Prints a progress message on standard error."""
    errors.print(text, style="dim", markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "none") -> None:
    """Prints a table, or the text `empty` where there are no rows."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row))
    if grid.row_count:
        console.print(grid)
    else:
        line(empty)


def rows(columns: Sequence[str], records: Iterable[Mapping[str, Any]], empty: str = "none") -> None:
    """Prints a table of these fields of each record."""
    table(columns, ([record.get(name) for name in columns] for record in records), empty)


def record(fields: Mapping[str, Any]) -> None:
    """Prints one record, a line for each field."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    for name, value in fields.items():
        grid.add_row(f"[bold]{name}[/bold]", _cell(value))
    console.print(grid)


def _cell(value: object) -> str | Text:
    match value:
        case Text():
            return value
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return escape(plain(", ".join(map(str, value)), "\n"))
        case dict():
            return "; ".join(f"{escape(plain(str(name)))}: {_cell(item)}" for name, item in value.items()) or "-"
    return escape(plain(str(value), "\n"))
