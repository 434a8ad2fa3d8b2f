"""W5, `python -m bench.links`: measures 20 MB attachments that leave as links.

Prints MB a second, and CPU for each GB.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench import external, proc
from bench.external import LINKS
from bench.gates import Gate
from bench.gates.varco import Stack, apply, running
from bench.measure import Result, Sink, generate, measure
from bench.workloads import WORKLOADS, Workload

W5 = Workload(
    name="W5",
    text="20 MB attachment replaced with a link, 4 connections",
    mails=20,
    connections=4,
    size=1024,
    attachment="big.pdf",
    attachment_size=20 * 1024 * 1024,
)
SETTLE_SECONDS = 6.0  # what ingress learns so soon after a change of the account it doesn't remember


class Figures(msgspec.Struct, kw_only=True):
    """Figures of attachments before encoding: MB (10^6 bytes) a second, CPU seconds for each GB."""

    mb_per_second: float
    cpu_per_gb: float
    ok: bool

    @classmethod
    def of(cls, result: Result) -> "Figures":
        mb = W5.attachment_size / 1e6
        return cls(mb_per_second=result.delivered * mb, cpu_per_gb=result.cpu / mb, ok=result.ok)


def main(
    rounds: Annotated[int, typer.Option(help="medians are shown")] = 3,
    mails: Annotated[int, typer.Option(help="of each round")] = W5.mails,
    peers: Annotated[
        Path | None, typer.Option(envvar="BENCH_PEERS", help="a script that compares gates (taking --target): run it")
    ] = None,
) -> None:
    """Runs W5. Every mail must arrive at the next hop once, and be small there."""
    if peers:
        print(asyncio.run(external.compared(peers, ["W5"], rounds, mails / W5.mails)))
        return
    found, shares = asyncio.run(_bench(rounds, mails))
    for number, one in enumerate(found, 1):
        print(f"round {number}: {one.mb_per_second:.1f} MB/s, {one.cpu_per_gb:.1f} CPU s/GB, ok {one.ok}")
    middle = [statistics.median(getattr(one, name) for one in found) for name in ("mb_per_second", "cpu_per_gb")]
    print(f"median: {middle[0]:.1f} MB/s, {middle[1]:.1f} CPU s/GB of all processes")
    print("of which " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    if not all(one.ok for one in found):
        raise typer.Exit(1)


async def _bench(rounds: int, mails: int) -> tuple[list[Figures], dict[str, float]]:
    sink = await Sink.start()
    try:
        with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
            async with running(Path(home) / "varco", sink.ports.mails, processes="each") as stack:
                gate = Gate(name="varco", port=stack.smtp_port, roots=lambda: [stack.pid])
                await apply(stack, LINKS)
                await generate(WORKLOADS["W2"].scaled(0.07), gate.port)
                await asyncio.sleep(SETTLE_SECONDS)
                before = proc.cpu_each([stack.pid])
                workload = msgspec.structs.replace(W5, mails=mails)
                results = [await measure(gate, workload, sink, number) for number in range(rounds)]
                return [*map(Figures.of, results)], _shares(stack, before)
    finally:
        await sink.stop()


def _shares(stack: Stack, before: dict[int, float]) -> dict[str, float]:
    """Returns the CPU share of each process, the largest first."""
    after = proc.cpu_each([stack.pid])
    used = {name: after.get(pid, 0) - before.get(pid, 0) for name, pid in stack.processes().items()}
    whole = sum(used.values()) or 1.0
    return {name: one / whole for name, one in sorted(used.items(), key=lambda pair: -pair[1]) if one / whole >= 0.01}


if __name__ == "__main__":
    typer.run(main)
