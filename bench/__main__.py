"""`python -m bench`: sends every workload through every gate, in turns, round after round."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import external
from bench.gates import Gate, opened
from bench.measure import Result, Sink, generate, measure
from bench.report import Report, machine, markdown, rich_tables
from bench.workloads import WORKLOADS, Workload

console = Console()
console.width = max(console.width, 140)  # the tables have spreads
SETTLE_SECONDS = 6.0  # what ingress learns so soon after a change of the account it doesn't remember
GATES = "varco,postfix"
WARM_UP = WORKLOADS["W2"].scaled(0.07)


def main(
    workloads: Annotated[str, typer.Option(help="comma list")] = ",".join(WORKLOADS),
    rounds: Annotated[int, typer.Option(help="of each workload; medians are shown")] = 3,
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 1.0,
    gates: Annotated[
        str,
        typer.Option(
            help="comma list: varco, varco-copy (copies of each mail), varco-one (all services in one process), "
            "postfix, postfix-copy"
        ),
    ] = GATES,
    flow_delay: Annotated[str, typer.Option(help="Postfix's in_flow_delay; its own default is 1s")] = "1s",
    peers: Annotated[
        Path | None,
        typer.Option(
            envvar="BENCH_PEERS", help="a script that compares gates (taking --target): run it with Varco instead"
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="write every measurement here")] = None,
    markdown_to: Annotated[Path | None, typer.Option("--markdown", help="write the tables here")] = None,
) -> None:
    """Measures how fast the gate is, and its peers in the same run.

    Everything runs on loopback, in a temporary home.
    """
    if peers:
        print(asyncio.run(external.compared(peers, workloads.split(","), rounds, scale)))
        return
    report = reported(workloads.split(","), rounds, scale, gates, flow_delay)
    for table in rich_tables(report.results):
        console.print(table)
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    if markdown_to:
        markdown_to.write_text(markdown(report))
    if not all(one.ok for one in report.results):
        console.print("[red]not every mail became what it should have: see the column 'as expected'[/red]")
        raise typer.Exit(1)


def reported(workloads: list[str], rounds: int, scale: float, gates: str = GATES, flow_delay: str = "1s") -> Report:
    """Runs a measurement and shows its progress."""
    chosen = [WORKLOADS[name].scaled(scale) for name in workloads]
    return Report(
        results=asyncio.run(_bench(chosen, rounds, gates.split(","), flow_delay)),
        command=f"python -m bench --gates {gates} --workloads {','.join(workloads)} --rounds {rounds} --scale {scale:g}",
        date=time.strftime("%d %B %Y"),
        machine=machine(),
    )


async def _bench(workloads: list[Workload], rounds: int, names: list[str], flow_delay: str) -> list[Result]:
    results: list[Result] = []
    async with _running(names, flow_delay) as (gates, sink):
        for gate in gates:
            await generate(WARM_UP, gate.port)
        await asyncio.sleep(SETTLE_SECONDS)
        with _progress() as progress:
            bar = progress.add_task("", total=len(workloads) * rounds * len(gates))
            for workload in workloads:
                for number in range(rounds):
                    for gate in gates:
                        progress.update(bar, description=f"{workload.name} round {number + 1} {gate.name}")
                        results.append(await measure(gate, workload, sink, number))
                        progress.advance(bar)
    return results


@contextlib.asynccontextmanager
async def _running(names: list[str], flow_delay: str) -> AsyncIterator[tuple[list[Gate], Sink]]:
    """Yields the sink and the gates that are available here, and ends them with the block."""
    async with contextlib.AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True)))
        sink = await Sink.start()
        stack.push_async_callback(sink.stop)
        gates = []
        for name in names:
            with console.status(f"starting {name}"):
                gate = await opened(stack, name, home / name, sink.ports, flow_delay)
            if isinstance(gate, Gate):
                gates.append(gate)
            else:
                console.print(f"[yellow]{name} is left out: {gate}[/yellow]")
        yield gates, sink


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
