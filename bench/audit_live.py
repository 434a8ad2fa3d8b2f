"""Measures what audit costs each mail, and its delay: `python -m bench.audit_live`.

Appends records at several rates to a real bus, without audit and with it, and prints the table of
docs/performance.md.
"""

import asyncio
import os
import statistics
import subprocess
import sysconfig
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import uvloop

from bench.audit_index import Traffic
from bench.proc import cpu
from varco_audit.recording.recorded_position import RECORDED, RECORDS
from varco_audit.settings import Settings
from varco_common.base.settings import variables
from varco_common.bus import Bus
from varco_common.events import MailRecorded, decode_event
from varco_common.mail.record import MailRecord
from varco_common.testing import nats_server
from varco_common.testing.processes import free_port
from varco_common.testing.running import public_key

RATES = (20, 200, 1_000)  # mails a second
SECONDS = 10
BODY = b"x" * 10_000


async def accept(bus: Bus, records: list[MailRecord], rate: int) -> None:
    """Appends records at an even rate, as far as the machine allows."""
    begun, tasks = time.perf_counter(), []
    for number, record in enumerate(records):
        await asyncio.sleep(max(begun + number / rate - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(bus.mail.append("accepted", record, BODY)))
    await asyncio.gather(*tasks)


async def lateness(bus: Bus) -> list[float]:
    """Returns milliseconds from each record in MAIL to its event in EVENTS.

    Waits for the last one.
    """
    last, late = await bus.mail.last_sequence(RECORDS), []
    async with aclosing(bus.events.follow_raw(RECORDED)) as events:
        async for raw in events:
            event = decode_event(raw.payload)
            assert isinstance(event, MailRecorded)
            late.append(raw.at / 1e6 - event.stored_at.timestamp() * 1e3)
            if event.sequence >= last:
                break
    return late


def started(home: Path, url: str) -> subprocess.Popen[bytes]:
    """Runs the service audit in its own process."""
    names = variables(Settings)
    chosen = {"home": home, "nats_url": url, "api_port": free_port(), "token_public_key_file": public_key(home)}
    environment = os.environ | {names[name]: str(value) for name, value in chosen.items()}
    return subprocess.Popen([Path(sysconfig.get_path("scripts")) / "varco-audit"], env=environment)


async def measure(rate: int, home: Path, *, audited: bool) -> tuple[float, float, list[float]]:
    """Returns CPU milliseconds a mail, of the bus and of audit, and the delays of the records."""
    events = Traffic().events(rate * SECONDS * 3)
    first, *records = [event.record for event in events if isinstance(event, MailRecorded)][: rate * SECONDS + 1]
    async with (
        nats_server(max_file_store="20GB") as nats,
        Bus.connect(nats.settings(append_timeout_seconds=60.0), "bench") as bus,
    ):
        await bus.mail.append("accepted", first, BODY)
        audit = started(home, nats.url) if audited else None
        try:
            if audit:
                await lateness(bus)  # it has begun
            before = cpu([nats.pid]), cpu([audit.pid] if audit else [])
            await accept(bus, records, rate)
            used = cpu([nats.pid]) - before[0]
            late = (await lateness(bus))[1:] if audit else []
            own = cpu([audit.pid] if audit else []) - before[1]
        finally:
            if audit:
                audit.kill()
                audit.wait()
    return used / len(records) * 1e3, own / len(records) * 1e3, late


def main() -> None:
    print("| mails/s | CPU ms a mail: audit | bus, more than without | seen after, ms: median | 99 % |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for rate in RATES:
        with tempfile.TemporaryDirectory(prefix="varco-bench-") as folder:
            without, _, _ = uvloop.run(measure(rate, Path(folder), audited=False))
            bus, audit, late = uvloop.run(measure(rate, Path(folder), audited=True))
        median, slow = statistics.median(late), statistics.quantiles(late, n=100)[-1]
        print(f"| {rate:,} | {audit:.3f} | {bus - without:.3f} | {median:.0f} | {slow:.0f} |", flush=True)


if __name__ == "__main__":
    main()
