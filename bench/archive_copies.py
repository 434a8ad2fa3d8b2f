"""Measures the cost of copies, the lag of their index, and POP3: `python -m bench.archive_copies`.

Mails arrive by SMTP. The same gate runs with copies off and on, in turns. CPU is that of all its
processes.
"""

import asyncio
import contextlib
import json
import poplib
import ssl
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import msgspec
import typer

from bench import proc
from bench.gates import Gate
from bench.gates.varco import Stack, account, apply, running
from bench.measure import Result, Sink, generate, measure
from bench.workloads import WORKLOADS

OFF, ON = "copies off", "copies on"
LAG_SECONDS = 30.0  # so long it is waited for copies
SETTLE_SECONDS = 6.0  # as in bench.__main__
FETCHED = 2_000  # copies that POP3's speed is measured with, at most


class Flood(msgspec.Struct, kw_only=True):
    """One run.

    `missing` copies were not in the mailbox `lag` seconds after the last mail had been delivered.
    """

    result: Result
    lag: float
    missing: int


class Fetched(msgspec.Struct):
    """What a client fetched by POP3 inside TLS: octets, seconds, and CPU seconds of archive."""

    octets: int
    seconds: float
    cpu: float


def main(
    mails: Annotated[int, typer.Option(help="mails of 10 KB in one run")] = 10_000,
    rounds: Annotated[int, typer.Option(help="of each case; medians are shown")] = 3,
) -> None:
    """Prints a table in Markdown."""
    floods, fetched = asyncio.run(_measured(mails, rounds))
    print(
        f"`python -m bench.archive_copies --mails {mails} --rounds {rounds}`, {time.strftime('%d %B %Y')}; medians.\n"
    )
    print("| | mails/s | the gate's CPU s/1,000 | copies that lack | index behind at the end, s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for case in (OFF, ON):
        of_case = [one for one in floods if one.result.gate == case]
        rate, cpu = (median(getattr(one.result, name) for one in of_case) for name in ("delivered", "cpu"))
        late = f"{sum(one.missing for one in of_case)} | {max(one.lag for one in of_case):.2f}" if case == ON else "|"
        print(f"| {case} | {rate:.0f} | {cpu:.2f} | {late} |")
    megabytes = fetched.octets / 1e6
    print(
        f"\nPOP3 inside TLS: {megabytes / fetched.seconds:.1f} MB/s with one client, {fetched.cpu * 1000 / megabytes:.1f} ms of "
        f"archive's CPU a megabyte."
    )
    if not all(one.result.ok and not one.missing for one in floods):
        print("\nNot every mail or copy arrived.")
        raise typer.Exit(1)


async def _measured(mails: int, rounds: int) -> tuple[list[Flood], Fetched]:
    sink = await Sink.start()
    try:
        with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
            async with running(Path(home) / "home", sink.ports.mails, processes="each") as stack:
                await generate(WORKLOADS["W2"].scaled(0.07), stack.smtp_port)
                floods = [await _flood(case, stack, sink, mails) for _ in range(rounds) for case in (OFF, ON)]
                return floods, await _fetch(stack)
    finally:
        await sink.stop()


async def _flood(case: str, stack: Stack, sink: Sink, mails: int) -> Flood:
    section = account(0)["archive"] if case == ON else "off"
    await apply(stack, {"account": "bench", "archive": section})
    await asyncio.sleep(SETTLE_SECONDS)
    gate = Gate(name=case, port=stack.smtp_port, roots=lambda: [stack.pid])
    workload = msgspec.structs.replace(WORKLOADS["W2"], mails=mails)
    result = await measure(gate, workload, sink)
    began = time.monotonic()
    missing = mails if case == ON else 0
    async with _api(stack) as http:
        while missing and time.monotonic() - began < LAG_SECONDS:
            missing = mails - int((await http.get("/accounts/bench/archive/status")).json()["copies"])
    return Flood(result=result, lag=time.monotonic() - began, missing=missing)


def _api(stack: Stack) -> httpx.AsyncClient:
    """Returns a client of archive's API with the admin token."""
    apis = json.loads((stack.home / "stack.json").read_text())["apis"]
    token = (stack.home / "admin.token").read_text().strip()
    return httpx.AsyncClient(base_url=apis["archive"], headers={"Authorization": f"Bearer {token}"}, trust_env=False)


async def _fetch(stack: Stack) -> Fetched:
    archive = [stack.processes()["archive"]]
    before = proc.cpu(archive)
    octets, seconds = await asyncio.to_thread(_retrieved, int(stack.environment["VARCO_POP3S_PORT"]))
    return Fetched(octets, seconds, proc.cpu(archive) - before)


def _retrieved(port: int) -> tuple[int, float]:
    """Fetches one mail after the other, and returns octets and seconds."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with contextlib.closing(poplib.POP3_SSL("127.0.0.1", port, timeout=60, context=trusting)) as box:
        box.user("copies@corp.test")
        box.pass_("for-the-bench-alone")
        most = min(FETCHED, box.stat()[0])
        began = time.perf_counter()
        octets = sum(box.retr(number)[2] for number in range(1, most + 1))
        seconds = time.perf_counter() - began
        box.quit()
    return octets, seconds


if __name__ == "__main__":
    typer.run(main)
