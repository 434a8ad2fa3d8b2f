"""What commands print: for people a table or lines, for programs JSON."""

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

# Into a pipe or a file a table is as wide as it needs to be.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 400)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def show(data: object, as_json: bool, human: Callable[[], None]) -> None:
    """Prints `data` as JSON, or lets `human` print it."""
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(data)).decode())
    else:
        human()


def line(text: str) -> None:
    """One line of plain text, however it is meant: mail addresses are no markup."""
    console.print(plain(text), markup=False)


def plain(text: str, keep: str = "") -> str:
    """Without what a terminal would obey: strangers choose the logins and addresses that stand in events."""
    return text if text.isprintable() else "".join([c if c.isprintable() or c in keep else "\ufffd" for c in text])


def step(text: str) -> None:
    """What is being done, on standard error."""
    errors.print(text, style="dim", markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "none") -> None:
    """A table that stands on a page as on a screen; `empty` where there are no rows."""
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
    """A table of these fields of each record."""
    table(columns, ([record.get(name) for name in columns] for record in records), empty)


def record(fields: Mapping[str, Any]) -> None:
    """One thing, a line for each field."""
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
