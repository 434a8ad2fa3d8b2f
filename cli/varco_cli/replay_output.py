"""Reads the lines that audit sends during a replay, and shows its progress on the terminal."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from varco_cli import output
from varco_cli.failures import Refused, Unreachable


def without_progress(lines: Iterable[str], about: str) -> Iterator[dict[str, Any]]:
    """Yields the lines except those of progress, which are shown on standard error.

    Raises Refused where the replay failed, Unreachable where audit ended early.
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
        raise Unreachable("audit ended before its answer was complete: run the command again")
