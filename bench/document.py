"""Measures the figures of docs/performance.md again: `python -m bench.document`.

Only the text between its marks changes: `<!-- measured: gates -->` to `<!-- end -->`, and likewise
`profile`, `inline-limit` and `peers`. BENCH_PEERS names the script that compares gates; without it,
`peers` stays as it is.
"""

import asyncio
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import external, inline_limit, profile
from bench.__main__ import reported
from bench.measure import ROOT
from bench.report import markdown
from bench.workloads import WORKLOADS

console = Console()
PAGE = ROOT / "docs" / "performance.md"
PARTS = ("gates", "profile", "inline-limit", "peers")


def main(
    parts: Annotated[str, typer.Option(help="comma list of gates, profile, inline-limit, peers")] = ",".join(PARTS),
    rounds: Annotated[int, typer.Option(help="of each workload; medians are shown")] = 3,
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 1.0,
    peers: Annotated[Path | None, typer.Option(envvar="BENCH_PEERS", help="a script that compares gates")] = None,
) -> None:
    """Runs everything, which takes some twenty minutes, and writes the page after each part."""
    for part in parts.split(","):
        match part:
            case "gates":
                text = markdown(reported(list(WORKLOADS), rounds, scale))
            case "profile":
                text = profile.markdown(["W1", "W2", "W4", "W6"], scale)
            case "inline-limit":
                text = inline_limit.markdown(rounds)
            case "peers" if peers:
                text = asyncio.run(external.compared(peers, list(WORKLOADS), rounds, scale))
            case "peers":
                console.print("[yellow]peers are left out: BENCH_PEERS names no script[/yellow]")
                continue
            case _:
                raise typer.BadParameter(f"{part}: expected some of {', '.join(PARTS)}")
        PAGE.write_text(replaced(PAGE.read_text(), part, text))


def replaced(page: str, part: str, text: str) -> str:
    """Returns the page with another text between the marks of this part.

    Raises ValueError where the page has no such marks.
    """
    marks = re.compile(rf"(<!-- measured: {part} -->\n).*?(<!-- end -->\n)", re.DOTALL)
    page, count = marks.subn(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"the page has {count} places for {part}")
    return page


if __name__ == "__main__":
    typer.run(main)
