"""What audit says line by line while it replays: its progress on the terminal, its lines for the command."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from varco_cli import output
from varco_cli.failures import Refused, Unreachable


def followed(lines: Iterable[str], about: str) -> Iterator[dict[str, Any]]:
    """All lines but those of progress, which go to standard error.

    Raises Refused where it failed on the way.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[mails]} mails"),
        TimeRemainingColumn(),
    )
    ended = False
    with Progress(*columns, console=output.errors, transient=True, disable=not output.errors.is_terminal) as bar:
        task = bar.add_task(about, total=1.0, mails=0)
        for text in filter(None, lines):
            line: dict[str, Any] = msgspec.json.decode(text)
            match line["line"]:
                case "progress":
                    bar.update(task, completed=line["part"], mails=line["mails"])
                case "failed":
                    raise Refused(
                        line["why"],
                        {"errors": [{"where": line["where"], "what": line["why"]}]} if line.get("where") else None,
                    )
                case kind:
                    ended = kind == "done"
                    yield line
    if not ended:
        raise Unreachable("audit ended before its answer did: ask again")


def sorted_counts(counts: dict[str, dict[str, int]]) -> list[tuple[str, str, int]]:
    """By what, which outcome, how many: the most first."""
    rows = [(name, outcome, number) for name, outcomes in counts.items() for outcome, number in outcomes.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))
