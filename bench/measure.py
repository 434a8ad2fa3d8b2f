"""One measurement: sends a workload through a gate to the sink, and reads the meters."""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from bench import proc
from bench.gates import Gate
from bench.load import SECONDS, Sent
from bench.sink import Count, Ports
from bench.workloads import Workload

QUIET_SECONDS = 20.0  # without any arrival: the rest is lost
SETTLE_SECONDS = 0.2  # what is still to be written down after the last delivery belongs to the mails' CPU
ROOT = Path(__file__).parent.parent


class Result(msgspec.Struct, kw_only=True):
    """One measurement. Rates are mails a second, latencies milliseconds, memory MB (PSS).

    `delivered` is the rate from the first connect until the sink had every mail (and every copy);
    `answered` that of the answers. `cpu` is the seconds of all the gate's processes for 1,000
    mails, until all was delivered.
    """

    gate: str
    workload: str
    round: int
    mails: int
    codes: dict[int, int]
    arrived: int
    copies: int
    answered: float
    delivered: float
    p50: float
    p99: float
    cpu: float
    memory: float
    generator_cpu: float
    ok: bool


class Sink:
    """The process of the sink: its ports, and its counts on request."""

    def __init__(self, process: asyncio.subprocess.Process, ports: Ports) -> None:
        self._process = process
        self.ports = ports

    @classmethod
    async def start(cls, port: int = 0) -> "Sink":
        process = await _python("-m", "bench.sink", str(port))
        assert process.stdout
        return cls(process, msgspec.json.decode(await process.stdout.readline(), type=Ports))

    async def counts(self) -> tuple[Count, Count]:
        """Returns the counts of mails and of copies since the start."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"\n")
        return msgspec.json.decode(await self._process.stdout.readline(), type=tuple[Count, Count])

    async def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()


async def _python(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=pipe, stdout=pipe, cwd=ROOT, limit=1 << 26
    )


async def generate(workload: Workload, port: int) -> Sent:
    """Runs the load generator in its own process."""
    process = await _python("-m", "bench.load", "127.0.0.1", str(port))
    async with asyncio.timeout(SECONDS + 30):
        answer, _ = await process.communicate(msgspec.json.encode(workload))
    return msgspec.json.decode(answer, type=Sent)


async def measure(gate: Gate, workload: Workload, sink: Sink, number: int = 0) -> Result:
    """Sends the workload, waits until all that was accepted has arrived, and reads the meters."""
    before = await sink.counts()
    peak, used = proc.Peak(gate.roots), proc.cpu(gate.roots())
    with peak.watching():
        sent = await generate(workload, gate.port_for(workload.expects))
        after = await drained(sink, before, sent.accepted, sent.accepted * gate.copies)
        await asyncio.sleep(SETTLE_SECONDS)
    used = proc.cpu(gate.roots()) - used
    arrived, copies = (now.mails - then.mails for now, then in zip(after, before, strict=True))
    waits = sorted(sent.latencies)
    until = max(sent.last, *(now.last for now in after))
    return Result(
        gate=gate.name,
        workload=workload.name,
        round=number,
        mails=workload.mails,
        codes=sent.codes,
        arrived=arrived,
        copies=copies,
        answered=sum(n for code, n in sent.codes.items() if code) / (sent.last - sent.begin),
        delivered=arrived / (until - sent.begin),
        p50=_quantile(waits, 0.5),
        p99=_quantile(waits, 0.99),
        cpu=used * 1000 / workload.mails,
        memory=peak.mb,
        generator_cpu=sent.cpu * 1000 / workload.mails,
        ok=_as_expected(workload, sent, arrived, copies if gate.copies else None),
    )


async def drained(sink: Sink, before: tuple[Count, Count], mails: int, copies: int) -> tuple[Count, Count]:
    """Returns the counts once they have grown by that much, or nothing arrives any more."""
    seen, at = -1, time.monotonic()
    while True:
        now = await sink.counts()
        grown = [n.mails - b.mails for n, b in zip(now, before, strict=True)]
        if grown[0] >= mails and grown[1] >= copies:
            return now
        if sum(grown) != seen:
            seen, at = sum(grown), time.monotonic()
        elif time.monotonic() - at > QUIET_SECONDS:
            return now
        await asyncio.sleep(0.1)


def _as_expected(workload: Workload, sent: Sent, arrived: int, copies: int | None) -> bool:
    """Says whether all is as expected.

    Every mail is accepted and at the sink exactly once (with its copy), or every mail is refused
    for good.
    """
    if workload.expects == "refused":
        return all(500 <= code < 600 for code in sent.codes) and arrived == 0
    return sent.accepted == workload.mails == arrived and copies in (None, arrived)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0
