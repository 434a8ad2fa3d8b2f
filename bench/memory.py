"""Measures the memory of a gate by process: `python -m bench.memory`.

Memory is PSS: a page that several processes share is divided by their number. The gate runs for
each choice of VARCO_PROCESSES. It is measured when it has settled after the start, and again after
workloads.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from bench import proc
from bench.gates.varco import Stack, running
from bench.measure import Sink, drained, generate
from bench.workloads import WORKLOADS, Workload

SETTLE_SECONDS = 10.0  # after the start and after a workload: snapshots are saved, indexes are written

Usage = dict[str, float]


def main(
    workloads: Annotated[str, typer.Option(help="comma list: what is sent before the second figure")] = "W4",
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 1.0,
    modes: Annotated[str, typer.Option(help="comma list of groups, each, one")] = "groups,one",
    setting: Annotated[list[str], typer.Option("--set", help="NAME=VALUE, a setting; may be repeated")] = [],  # noqa: B006
) -> None:
    """Prints a table: one row a process, idle and after the workloads."""
    more = dict(text.split("=", 1) for text in setting)
    chosen = [WORKLOADS[name].scaled(scale) for name in workloads.split(",")]
    command = f"python -m bench.memory --workloads {workloads} --scale {scale:g} --modes {modes}"
    print(markdown(command, workloads, measured(modes.split(","), chosen, more)))


def measured(modes: Iterable[str], workloads: list[Workload], more: Mapping[str, str]) -> dict[str, Usage]:
    """Returns one column a mode and moment: MB by process."""
    columns: dict[str, Usage] = {}
    for mode in modes:
        idle, after = asyncio.run(_measured(workloads, more, mode))
        columns |= {f"{mode}: idle": idle, f"{mode}: after": after}
    return columns


def markdown(command: str, workloads: str, columns: Mapping[str, Usage]) -> str:
    """Returns the table. The last row has the sums."""
    names = sorted({name for column in columns.values() for name in column})
    heads = [head.replace("after", f"after {workloads}") for head in columns]
    rows = [[name, *(f"{column[name]:.0f}" if name in column else "" for column in columns.values())] for name in names]
    rows.append(["all", *(f"{sum(column.values()):.0f}" for column in columns.values())])
    lines = [f"`{command}`, {time.strftime('%d %B %Y')}; MB (PSS).", "", f"| process | {' | '.join(heads)} |"]
    lines += [f"| --- |{' ---: |' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


async def _measured(workloads: list[Workload], more: Mapping[str, str], processes: str) -> tuple[Usage, Usage]:
    sink = await Sink.start()
    try:
        with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
            async with running(Path(home) / "varco", sink.ports.mails, processes=processes, more=more) as stack:
                await asyncio.sleep(SETTLE_SECONDS)
                idle = usage(stack)
                for workload in workloads:
                    before = await sink.counts()
                    sent = await generate(workload, stack.smtp_port)
                    await drained(sink, before, sent.accepted, 0)
                await asyncio.sleep(SETTLE_SECONDS)
                return idle, usage(stack)
    finally:
        await sink.stop()


def usage(stack: Stack) -> Usage:
    """Returns the memory of each process of the stack. The children of a service count for it."""
    named = {pid: name for name, pid in stack.processes().items()}
    parents = {pid: int(fields[1]) for pid, fields in proc.tree([stack.pid]).items()}
    memory: Usage = {}
    for pid in parents:
        owner = pid
        while owner not in named and owner in parents:
            owner = parents[owner]
        name = named.get(owner, "others")
        memory[name] = memory.get(name, 0.0) + proc.pss_of(pid)
    return memory


if __name__ == "__main__":
    typer.run(main)
