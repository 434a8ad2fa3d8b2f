"""Reads the lines that audit sends during a replay, and shows its progress on the terminal."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from varco_cli.failures import Refused, Unreachable
from varco_cli.output import TerminalProgress


def without_progress(lines: Iterable[str], about: str) -> Iterator[dict[str, Any]]:
    """Yields the lines except those of progress, which are shown on standard error.

    Raises Refused where the replay failed, Unreachable where audit ended early.
    """
    bar, ended = TerminalProgress(), False
    try:
        for text in filter(None, lines):
            line: dict[str, Any] = msgspec.json.decode(text)
            if line["line"] == "progress":
                bar.show(f"{about}: {line['part']:.0%}, {line['mails']:,} mails")
                continue
            bar.clear()
            if line["line"] == "failed":
                raise Refused(line["why"], _problem(line))
            ended = line["line"] == "done"
            yield line
    finally:
        bar.clear()
    if not ended:
        raise Unreachable("audit ended before its answer was complete: run the command again")


def _problem(line: dict[str, Any]) -> dict[str, Any] | None:
    return {"errors": [{"where": line["where"], "what": line["why"]}]} if line.get("where") else None
