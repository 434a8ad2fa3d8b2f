"""Measures one ingress process against two: `python -m bench.two_ingresses`.

The second one has ports of its own. Each half of the load goes to one of them, or all of it to the
first, in turns. Both share the processors with the rest of the gate and with the load generator.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.gates.varco import Stack as Gate
from bench.gates.varco import account, apply
from bench.measure import Sink, drained, generate
from bench.proc import cpu
from bench.workloads import WORKLOADS, Workload
from varco_cli.stack import Ports, Stack
from varco_common.testing.waiting import eventually

INGRESS = "ingress-smtp"


def main(
    workload: Annotated[str, typer.Option(help="of those in bench/workloads.py")] = "W2",
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 0.5,
    rounds: Annotated[int, typer.Option(help="medians are shown")] = 5,
) -> None:
    """Prints a Markdown table."""
    asyncio.run(_run(WORKLOADS[workload].scaled(scale), rounds))


async def _run(load: Workload, rounds: int) -> None:
    sink = await Sink.start()
    with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as folder:
        ports = Ports.free()
        async with Stack(Path(folder) / "home", ports=ports, on_progress=lambda _: None) as stack:
            environment = {**os.environ, **ports.environment, "VARCO_API_PORT": str(ports.api)}
            gate = Gate(pid=0, home=stack.home.path, environment=environment | {"VARCO_HOME": str(stack.home.path)})
            await apply(gate, account(sink.ports.mails, copies=False))
            async with _second(stack) as (port, second):
                pids = [*(process.pid for process in stack.processes.values()), second]
                figures: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
                await _once(load, [ports.smtp, port], sink, pids)  # to warm up
                for _ in range(rounds):
                    for count, measured in figures.items():
                        measured.append(await _once(load, [ports.smtp, port][:count], sink, pids))
    await sink.stop()
    print("| ingress processes | mails/s | CPU ms a mail |\n| ---: | ---: | ---: |")
    for count, measured in figures.items():
        rate, used = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"| {count} | {rate:.0f} | {used:.2f} |")


async def _once(load: Workload, ports: list[int], sink: Sink, pids: list[int]) -> tuple[float, float]:
    """Mails a second until the sink has all, and CPU ms of the gate for each."""
    before, used, began = await sink.counts(), cpu(pids), time.perf_counter()
    part = msgspec.structs.replace(load, mails=load.mails // len(ports), connections=load.connections // len(ports))
    sent = await asyncio.gather(*(generate(part, port) for port in ports))
    accepted = sum(one.accepted for one in sent)
    await drained(sink, before, accepted, 0)
    return accepted / (time.perf_counter() - began), (cpu(pids) - used) * 1e3 / accepted


@asynccontextmanager
async def _second(stack: Stack) -> AsyncIterator[tuple[int, int]]:
    """Its SMTP port and its pid."""
    ports = Ports.free()
    environment = dict(stack.processes[INGRESS].environment)
    if together := environment.pop("VARCO_ENVIRONMENTS", ""):
        environment |= json.loads(await asyncio.to_thread(Path(together).read_text))[INGRESS]
    environment |= ports.environment | {"VARCO_API_PORT": str(ports.api)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "varco_cli.serve", INGRESS, env=environment)

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", ports.smtp)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await eventually(listens)
        yield ports.smtp, process.pid
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    typer.run(main)
