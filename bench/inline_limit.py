"""Finds the size from which a body costs less in the object store: `python -m bench.inline_limit`.

Mails with a PDF of each size go through the stack twice: with an inline limit that keeps them in
the record, and with one that moves them to the object store, which is the directory of the stack.
`DirectoryStore.inline_bytes` is where the second costs less.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bench.gates import Gate
from bench.gates.varco import running
from bench.measure import Result, Sink, measure
from bench.workloads import WORKLOADS, Workload

console = Console(width=100)
KIB = 1024
SIZES = (64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, 1024 * KIB, 2048 * KIB)  # of the file, before base64
SETTING = "VARCO_INGRESS_INLINE"
INLINE, STORED = "inline", "by reference"
LIMITS = {INLINE: "3MB", STORED: "1KB"}
HEADINGS = ("PDF", *(f"{way}: {figure}" for way in LIMITS for figure in ("mails/s", "CPU ms", "p50 ms")))


def main(
    rounds: Annotated[int, typer.Option(help="of each size and way; medians are shown")] = 3,
    mails: Annotated[int, typer.Option(help="of each size; fewer of the larger ones")] = 200,
) -> None:
    """Prints mails a second at the sink and CPU milliseconds a mail, for each size, both ways."""
    results = asyncio.run(_measured(rounds, mails))
    table = Table(title="The inline limit", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in _rows(results):
        table.add_row(*row)
    console.print(table)
    if failed := [result for result in results if not result.ok]:
        for result in failed:
            console.print(f"[red]{result.gate}, {result.workload}: {result.codes}, {result.arrived} arrived[/red]")
        raise typer.Exit(1)


def markdown(rounds: int, mails: int = 100) -> str:
    """Returns the same as a table in Markdown."""
    rows = _rows(asyncio.run(_measured(rounds, mails)))
    lines = [
        f"`python -m bench.inline_limit --rounds {rounds} --mails {mails}`, {time.strftime('%d %B %Y')}; medians.",
        "",
    ]
    lines += [f"| {' | '.join(row)} |" for row in (list(HEADINGS), ["---:"] * len(HEADINGS), *rows)]
    return "\n".join(lines)


def _rows(results: list[Result]) -> list[list[str]]:
    rows = []
    for size in SIZES:
        row = [f"{size // KIB} KiB"]
        for way in LIMITS:
            found = [one for one in results if one.workload == str(size) and one.gate == way]
            row += [f"{median(one.delivered for one in found):.0f}", f"{median(one.cpu for one in found):.2f}"]
            row += [f"{median(one.p50 for one in found):.1f}"]
        rows.append(row)
    return rows


async def _measured(rounds: int, mails: int) -> list[Result]:
    sink = await Sink.start()
    results = []
    try:
        for number in range(rounds):
            for way, limit in LIMITS.items():
                results += await _with_limit(way, limit, number, mails, sink)
    finally:
        await sink.stop()
    return results


async def _with_limit(way: str, limit: str, number: int, mails: int, sink: Sink) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
        async with running(Path(home) / "varco", sink.ports.mails, more={SETTING: limit}) as stack:
            gate = Gate(name=way, port=stack.smtp_port, roots=lambda: [stack.pid])
            await measure(gate, WORKLOADS["W4"].scaled(0.1), sink)  # warms up, and waits until all is delivered
            return [await measure(gate, _of_size(size, mails), sink, number) for size in SIZES]


def _of_size(size: int, mails: int) -> Workload:
    fewer = max(20, min(mails, mails * 256 * KIB // size))
    return msgspec.structs.replace(WORKLOADS["W4"], name=str(size), mails=fewer, attachment_size=size)


if __name__ == "__main__":
    typer.run(main)
