"""Measures whether a gate stays as fast with what it has stored: `python -m bench.growth`.

It writes events into EVENTS of a running gate, as audit's recorder does, up to each of the given
numbers. There it waits until audit has indexed them, measures the CPU of a workload, and starts
the gate again.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench import proc
from bench.gates.varco import Stack, running
from bench.measure import Sink, drained, generate
from bench.whatif import Office, settled
from bench.workloads import WORKLOADS, Workload
from varco_cli.stack.bus import operator
from varco_cli.stack.settings import SERVICES
from varco_cli.stack.state_directory import StateDirectory
from varco_common.bus import Bus
from varco_common.events.audit import MailRecorded, encode_recorded
from varco_common.mail.record import encode_record

BATCH = 1_000  # events in one atomic append
SETTLE_SECONDS = 6.0  # what ingress learns so soon after a change of the account it does not remember
RECORDED = MailRecorded.subject_filter()


def main(
    stored: Annotated[str, typer.Option(help="comma list: numbers of events, ascending")] = "1000,100000,1000000",
    workloads: Annotated[str, typer.Option(help="comma list")] = "W1,W2",
    scale: Annotated[float, typer.Option(help="factor on the number of mails")] = 0.3,
    rounds: Annotated[int, typer.Option(help="of each workload; medians are shown")] = 3,
) -> None:
    """Prints a Markdown table."""
    loads = [WORKLOADS[name].scaled(scale) for name in workloads.split(",")]
    heading = " | ".join(f"{load.name}: CPU ms a mail" for load in loads)
    print(f"| events stored | {heading} | start, s | start, CPU s |")
    print(f"| ---: |{' ---: |' * (len(loads) + 2)}")
    asyncio.run(_run([int(number) for number in stored.split(",")], loads, rounds))


async def _run(stored: list[int], loads: list[Workload], rounds: int) -> None:
    sink = await Sink.start()
    try:
        with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as folder:
            home = Path(folder) / "home"
            for number in stored:
                async with running(home, sink.ports.mails, copies=False) as stack:
                    await _fill(stack, number)
                    await settled(stack)
                    await generate(WORKLOADS["W2"].scaled(0.07), stack.smtp_port)
                    await asyncio.sleep(SETTLE_SECONDS)
                    figures = [await _median(stack, sink, load, rounds) for load in loads]
                    await settled(stack)
                began = time.perf_counter()
                async with running(home, sink.ports.mails, copies=False) as stack:
                    seconds, cpu = time.perf_counter() - began, proc.cpu([stack.pid])
                row = " | ".join(f"{figure:.2f}" for figure in figures)
                print(f"| {number:,} | {row} | {seconds:.1f} | {cpu:.1f} |", flush=True)
    finally:
        await sink.stop()


async def _median(stack: Stack, sink: Sink, load: Workload, rounds: int) -> float:
    """CPU ms a mail of all processes, until the sink has every mail."""
    figures = []
    for _ in range(rounds):
        used, before = proc.cpu([stack.pid]), await sink.counts()
        sent = await generate(load, stack.smtp_port)
        await drained(sink, before, sent.accepted, 0)
        await asyncio.sleep(1.0)  # what is still to be written down
        figures.append((proc.cpu([stack.pid]) - used) * 1000 / load.mails)
    return sorted(figures)[rounds // 2]


async def _fill(stack: Stack, count: int) -> None:
    """Appends events until EVENTS has `count` of them."""
    settings = operator(StateDirectory(stack.home), "127.0.0.1", int(stack.environment["VARCO_API_PORT"]) + SERVICES)
    async with Bus.connect(settings, "bench") as bus:
        missing = count - await bus.events.last_sequence("events.>")
        last = await bus.events.last_sequence(RECORDED)
        _, newest = await bus.mail.bounds()  # audit's recorder goes on behind this record
        for encoded in _batches(missing, newest):
            last = await bus.events.append_encoded(encoded, expect=last, expect_subject=RECORDED)


def _batches(count: int, newest: int) -> Iterator[list[tuple[str, bytes]]]:
    office, subject = Office(0), MailRecorded.subject_filter("bench")
    for first in range(0, count, BATCH):
        batch = []
        for _ in range(min(BATCH, count - first)):
            at = datetime.now(UTC)
            stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            record = encode_record(office.record(at)).encode()
            event = encode_recorded(at=stamp, sequence=newest, kind="accepted", stored_at=stamp, record=record)
            batch.append((subject, event))
        yield batch


if __name__ == "__main__":
    typer.run(main)
