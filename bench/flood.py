"""Floods the gate from a banned host while honest clients send: `python -m bench.flood`.

Honest clients send W2 over 20 connections, alone and during the flood, in turns. Then the flood
comes alone, and the processes of the gate show what a refused connection costs. As root, which the
firewall needs, everything runs in its own network namespace, so the firewall's table sees only its
loopback.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import msgspec
import typer

from bench import flooder, proc
from bench.gates import Gate
from bench.gates.varco import Stack, running
from bench.measure import Sink, generate, measure
from bench.workloads import WORKLOADS

CONNECTIONS, PER_SECOND = 3_000, 1_000
INSIDE = "BENCH_FLOOD_INSIDE"
ACCEPT, KERNEL = "closed at accept", "refused by the kernel"
SETTLE_SECONDS = 6.0  # as in bench.__main__


class Flood(msgspec.Struct):
    """What the flood saw: connections by outcome, and its own CPU seconds."""

    seen: dict[str, int]
    seconds: float
    cpu: float


class Round(msgspec.Struct, kw_only=True):
    """Mails a second without and with the flood, and CPU milliseconds of a refused connection."""

    way: str
    alone: float
    flooded: float
    p99_alone: float
    p99_flooded: float
    cost: float
    generator: float
    seen: dict[str, int]
    ok: bool


def main(
    rounds: Annotated[int, typer.Option(help="medians are shown")] = 5,
    mails: Annotated[int, typer.Option(help="honest mails of one run")] = 2_000,
) -> None:
    """Prints a table in Markdown."""
    if _may_use_the_kernel() and INSIDE not in os.environ:
        inside = [
            "unshare",
            "-n",
            "sh",
            "-c",
            'ip link set lo up && exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "bench.flood",
        ]
        os.execvpe(inside[0], [*inside, *sys.argv[1:]], {**os.environ, INSIDE: "1"})
    print("\n".join(_table(asyncio.run(_measured(rounds, mails)), rounds, mails)))


def _may_use_the_kernel() -> bool:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return os.geteuid() == 0 and all(shutil.which(program, path=path) for program in ("nft", "ip", "unshare"))


async def _measured(rounds: int, mails: int) -> list[Round]:
    sink = await Sink.start()
    found = []
    try:
        for way in (ACCEPT, KERNEL) if INSIDE in os.environ else (ACCEPT,):
            found += await _through(way, sink, rounds, mails)
    finally:
        await sink.stop()
    return found


async def _through(way: str, sink: Sink, rounds: int, mails: int) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
        more = {"VARCO_FIREWALL_ON": str(way == KERNEL).lower()}
        async with running(Path(home) / "home", sink.ports.mails, more=more) as stack:
            gate = Gate(name=way, port=stack.smtp_port, roots=lambda: [stack.pid])
            await generate(WORKLOADS["W2"].scaled(0.07), gate.port)
            await _ban(stack)
            await asyncio.sleep(SETTLE_SECONDS)
            return [await _round(way, gate, sink, mails) for _ in range(rounds)]


async def _round(way: str, gate: Gate, sink: Sink, mails: int) -> Round:
    workload = msgspec.structs.replace(WORKLOADS["W2"], mails=mails)
    alone = await measure(gate, workload, sink)
    flood = await _start_flood(gate.port)
    during = await measure(gate, workload, sink)
    await _flooded(flood)
    before = proc.cpu(gate.roots())
    only = await _flooded(await _start_flood(gate.port))
    await asyncio.sleep(0.5)
    cost = proc.cpu(gate.roots()) - before
    return Round(
        way=way,
        alone=alone.delivered,
        flooded=during.delivered,
        p99_alone=alone.p99,
        p99_flooded=during.p99,
        cost=cost * 1000 / CONNECTIONS,
        generator=only.cpu * 1000 / CONNECTIONS,
        seen=only.seen,
        ok=alone.ok and during.ok,
    )


async def _ban(stack: Stack) -> None:
    command = [
        sys.executable,
        "-m",
        "varco_cli.main",
        "bans",
        "add",
        flooder.BANNED,
        "--bantime",
        "1d",
        "--reason",
        "the flood",
    ]
    subprocess.run(command, env=stack.environment, check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221 - nothing else runs yet


async def _start_flood(port: int) -> asyncio.subprocess.Process:
    """Starts the flood, a program that itself costs little CPU."""
    lean = [sys.executable, "-S", "-E", str(Path(flooder.__file__)), str(port), str(CONNECTIONS), str(PER_SECOND)]
    return await asyncio.create_subprocess_exec(*lean, stdout=asyncio.subprocess.PIPE)


async def _flooded(process: asyncio.subprocess.Process) -> Flood:
    told, _ = await process.communicate()
    refused, closed, greeted, seconds, cpu = map(float, told.split())
    counts = {"refused": int(refused), "closed": int(closed), "greeted": int(greeted)}
    return Flood({what: count for what, count in counts.items() if count}, seconds, cpu)


def _table(found: list[Round], rounds: int, mails: int) -> list[str]:
    heads = (
        "banned host",
        "mails/s alone",
        "mails/s in the flood",
        "change",
        "p99 ms alone",
        "p99 ms in the flood",
        "gate's CPU ms a connection",
        "flooder's CPU ms",
        "it saw",
    )
    lines = [
        f"`python -m bench.flood --rounds {rounds} --mails {mails}`, {time.strftime('%d %B %Y')}; medians of {rounds} rounds.",
        "",
        f"| {' | '.join(heads)} |",
        f"| --- |{' ---: |' * (len(heads) - 2)} --- |",
    ]
    for way in dict.fromkeys(one.way for one in found):
        of_way = [one for one in found if one.way == way]
        change = median(one.flooded / one.alone for one in of_way) - 1
        cells = [
            way,
            f"{median(one.alone for one in of_way):.0f}",
            f"{median(one.flooded for one in of_way):.0f}",
            f"{change:+.0%}",
            f"{median(one.p99_alone for one in of_way):.1f}",
            f"{median(one.p99_flooded for one in of_way):.1f}",
            f"{median(one.cost for one in of_way):.3f}",
            f"{median(one.generator for one in of_way):.3f}",
            ", ".join(f"{count} {what}" for what, count in of_way[-1].seen.items()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if not all(one.ok for one in found):
        lines.append("\nNot every honest mail arrived.")
    return lines


if __name__ == "__main__":
    typer.run(main)
