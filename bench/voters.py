"""Measures what each voter costs a mail: `python -m bench.voters`.

The same gate runs with policy as the only voter, and with others beside it. All services run in
each case, so all figures include what ratelimit reads from MAIL.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.gates import Gate
from bench.gates.varco import running
from bench.measure import Result, Sink, generate, measure
from bench.workloads import WORKLOADS

CASES = ("policy", "policy,ratelimit", "policy,banguard", "policy,ratelimit,banguard")
SETTLE_SECONDS = 6.0  # as in bench.__main__


def main(
    rounds: Annotated[int, typer.Option(help="of each case; medians are shown")] = 3,
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 0.5,
    workloads: Annotated[str, typer.Option(help="comma list")] = "W1,W2",
) -> None:
    """Prints a table in Markdown: CPU seconds for 1,000 mails, and the time to the answer."""
    names = workloads.split(",")
    found = asyncio.run(_measured(names, rounds, scale))
    print(f"`python -m bench.voters --rounds {rounds} --scale {scale:g}`, {time.strftime('%d %B %Y')}; medians.\n")
    print(f"| voters | {' | '.join(f'{name}: CPU s/1,000 | {name}: p50 ms' for name in names)} |")
    print(f"| --- |{' ---: |' * 2 * len(names)}")
    for case in CASES:
        cells = [case.replace(",", ", ")]
        for name in names:
            of_case = [one for one in found if (one.gate, one.workload) == (case, name)]
            cells += [f"{median(one.cpu for one in of_case):.2f}", f"{median(one.p50 for one in of_case):.1f}"]
        print(f"| {' | '.join(cells)} |")
    if not all(one.ok for one in found):
        print("\nNot every mail arrived.")
        raise typer.Exit(1)


async def _measured(names: list[str], rounds: int, scale: float) -> list[Result]:
    sink = await Sink.start()
    found: list[Result] = []
    try:
        for number in range(rounds):
            for case in CASES:
                found += await _with(case, names, number, scale, sink)
    finally:
        await sink.stop()
    return found


async def _with(case: str, names: list[str], number: int, scale: float, sink: Sink) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
        more = {"VARCO_INGRESS_VOTERS": case}
        async with running(Path(home) / "home", sink.ports.mails, more=more) as stack:
            gate = Gate(name=case, port=stack.smtp_port, roots=lambda: [stack.pid])
            await generate(WORKLOADS["W2"].scaled(0.07), gate.port)
            await asyncio.sleep(SETTLE_SECONDS)
            return [await measure(gate, WORKLOADS[name].scaled(scale), sink, number) for name in names]


if __name__ == "__main__":
    typer.run(main)
