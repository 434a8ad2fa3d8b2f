"""Shows the CPU milliseconds of a mail by process: `python -m bench.profile --workload W1`.

The milliseconds are the kernel's count for each process. With --functions, py-spy samples each
Python process during the load, and the most used functions are named with their share of its
samples.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bench import proc
from bench.gates.varco import Stack, running
from bench.measure import Sink, drained, generate
from bench.spy import Functions, Shares, spied
from bench.workloads import WORKLOADS, Workload

console = Console(highlight=False)
SETTLE_SECONDS = 6.0  # what ingress learns so soon after a change of the account it doesn't remember
WARM_UP = WORKLOADS["W2"].scaled(0.1)


class Share(msgspec.Struct, kw_only=True):
    """The share of one process: CPU milliseconds a mail, and its functions."""

    process: str
    milliseconds: float
    functions: Functions


def main(
    workload: Annotated[str, typer.Option(help="one of W1 to W7")] = "W1",
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 1.0,
    functions: Annotated[int, typer.Option(help="how many functions to name for each process (0: no py-spy)")] = 0,
    processes: Annotated[str, typer.Option(help="groups, each or one")] = "groups",
    setting: Annotated[
        list[str], typer.Option("--set", help="NAME=VALUE, a setting of the stack; may be repeated")
    ] = [],  # noqa: B006
) -> None:
    """Prints CPU milliseconds a mail of each process of Varco."""
    more = dict(one.split("=", 1) for one in setting)
    shares = asyncio.run(_profiled(WORKLOADS[workload].scaled(scale), functions, more, processes))
    table = Table(title=f"{workload}: CPU ms a mail", title_justify="left")
    table.add_column("process")
    table.add_column("ms", justify="right")
    for share in shares:
        table.add_row(share.process, f"{share.milliseconds:.3f}")
    table.add_row("all", f"{sum(share.milliseconds for share in shares):.3f}", style="bold")
    console.print(table)
    for share in shares:
        _print(f"{share.process}, own time", share.functions.own)
        _print(f"{share.process}, with all it calls", share.functions.whole)


def markdown(workloads: list[str], scale: float) -> str:
    """Returns a table: one row a process, one column a workload."""
    columns = [asyncio.run(_profiled(WORKLOADS[name].scaled(scale), 0, {}, "groups")) for name in workloads]
    milliseconds = [{share.process: share.milliseconds for share in column} for column in columns]
    lines = [
        f"`python -m bench.profile --workload W --scale {scale:g}`, {time.strftime('%d %B %Y')}; CPU ms a mail.",
        "",
        f"| process | {' | '.join(workloads)} |",
        f"| --- |{' ---: |' * len(workloads)}",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{column.get(name, 0):.2f}' for column in milliseconds)} |"
        for name in sorted(milliseconds[0], key=lambda name: -milliseconds[0][name])
    ]
    lines.append(f"| all | {' | '.join(f'{sum(column.values()):.2f}' for column in milliseconds)} |")
    return "\n".join(lines)


def _print(title: str, shares: Shares) -> None:
    if shares:
        console.print(f"\n[bold]{title}[/bold]")
    for name, part in shares:
        console.print(f"  {part:6.1%}  {name}", markup=False)


async def _profiled(workload: Workload, functions: int, more: Mapping[str, str], processes: str) -> list[Share]:
    sink = await Sink.start()
    try:
        with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
            async with running(Path(home) / "varco", sink.ports.mails, processes=processes, more=more) as stack:
                await generate(WARM_UP, stack.smtp_port)
                await asyncio.sleep(SETTLE_SECONDS)
                used = await _used(workload, stack, sink)
                found = await _looked_at(workload, stack, functions) if functions else {}
    finally:
        await sink.stop()
    return [
        Share(process=name, milliseconds=seconds * 1000 / workload.mails, functions=found.get(name, Functions()))
        for name, seconds in sorted(used.items(), key=lambda pair: -pair[1])
    ]


async def _used(workload: Workload, stack: Stack, sink: Sink) -> dict[str, float]:
    """Returns CPU seconds of each process for the whole workload, until the sink has it."""
    before, then = proc.cpu_each([stack.pid]), await sink.counts()
    sent = await generate(workload, stack.smtp_port)
    await drained(sink, then, sent.accepted, 0)
    await asyncio.sleep(0.3)  # what is still to be written down
    used: dict[str, float] = {}
    names = _names(stack)
    for pid, seconds in proc.cpu_each([stack.pid]).items():
        name = names.get(pid, "others")
        used[name] = used.get(name, 0.0) + seconds - before.get(pid, 0.0)
    return used


def _names(stack: Stack) -> dict[int, str]:
    """Returns the name of each process, and of its children, by pid."""
    named = stack.processes()
    top = named.pop("varco", 0)
    return {top: "varco", **{child: name for name, pid in named.items() for child in proc.tree([pid])}}


async def _looked_at(workload: Workload, stack: Stack, functions: int) -> dict[str, Functions]:
    """Samples each Python process, one after the other, while the load runs."""
    loading = asyncio.create_task(_again_and_again(workload, stack.smtp_port))
    found: dict[str, Functions] = {}
    try:
        for pid, name in _names(stack).items():
            busy = "python" in proc.command(pid) and name not in ("varco", "nats")
            if busy and (functions_found := await spied(pid, functions)).own:
                found[name] = functions_found
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    return found


async def _again_and_again(workload: Workload, port: int) -> None:
    while True:
        await generate(workload, port)


if __name__ == "__main__":
    typer.run(main)
