"""Measures the proof: hashing events, verifying them at a gate, exporting, verifying the files.

`python -m bench.proof --events 1000000`
"""

import argparse
import asyncio
import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from varco_audit.transparency.checkpoint_files import CheckpointFiles
from varco_audit.transparency.log_verification import verify_events
from varco_audit.transparency.signed_history import SignedHistory, read_entries
from varco_audit.transparency.tree_files import TreeFiles
from varco_common.bus import Bus
from varco_common.events import MailDelivered
from varco_common.testing.nats import nats_server
from varco_common.transparency import checkpoint, leaf
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.signed_note import SigningKey

BATCH = 1_000
SUBJECT = MailDelivered.subject_filter("acme")
EVENT = (
    b'{"type":"mail.delivered.v1","at":"2026-11-24T12:45:05.472378Z","account":"acme","mail":"%020d","recipient":"bob@partner.example",'
    b'"host":"mx.partner.example[192.0.2.25]:25","answer":"250 2.0.0 Ok: queued as 4WxyzABC","attempt":1,"padding":"%s"}'
)


@contextmanager
def timed(what: str, events: int) -> Iterator[None]:
    """Prints a row: seconds, CPU seconds of this process, events for each CPU second."""
    began, used = time.monotonic(), time.process_time()
    yield
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    rate = f"{events / cpu:,.0f}" if cpu > 0.05 else ""
    print(f"| {what} | {seconds:.1f} | {cpu:.1f} | {rate} |", flush=True)


async def fill(bus: Bus, events: int) -> None:
    last = 0
    for start in range(0, events, BATCH):
        batch = [(SUBJECT, EVENT % (number, b"x" * 400)) for number in range(start, min(start + BATCH, events))]
        last = await bus.events.append_encoded(batch, expect=last, expect_subject=SUBJECT)


async def measure(events: int, directory: Path) -> None:
    key = SigningKey.new("varco-bench")
    async with nats_server(max_file_store="20GB") as nats, Bus.connect(nats.settings(), "bench") as bus:
        await fill(bus, events)
        print("| | s | CPU s | events a CPU second |\n| --- | ---: | ---: | ---: |")
        tree = TreeFiles.open(directory / "audit")
        history = SignedHistory(bus, tree, CheckpointFiles(directory / "checkpoints"))
        with timed("tree made from EVENTS", events):
            await history.start(key.public)
        signed = checkpoint.signed(key, events, history.root(events))
        with timed("verified at the gate", events):
            async for frame in verify_events(bus, history, [signed]):
                assert not frame.departure
        with timed("exported", events), (directory / "events.jsonl").open("wb") as file:
            async for entry in read_entries(bus, 0, events):
                file.write(leaf.to_line(entry))
        tree.close()
    again = TreeFiles.open(directory / "audit")
    with timed("tree opened again", events):
        assert SignedHistory(bus, again, CheckpointFiles(directory)).root(events) == signed.root
    again.close()
    elsewhere(events, directory, signed, key)


def elsewhere(events: int, directory: Path, signed: Checkpoint, key: SigningKey) -> None:
    (directory / "kept.checkpoint").write_text(signed.text)
    files = ["--events", str(directory / "events.jsonl"), "--checkpoint", str(directory / "kept.checkpoint")]
    program = [f"{sysconfig.get_path('scripts')}/varco", "audit", "verify", *files, "--key", str(key.public)]
    for what, more in (("", []), (" with hashes", ["--hashes", str(directory / "audit" / "hashes")])):
        began = time.monotonic()
        child = subprocess.Popen([*program, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)  # of this child alone, not of the bus before it
        child.returncode = os.waitstatus_to_exitcode(status)
        assert not child.returncode
        cpu = used.ru_utime + used.ru_stime
        seconds = time.monotonic() - began
        print(f"| verified from files{what} | {seconds:.1f} | {cpu:.1f} | {events / cpu:,.0f} |", flush=True)
    export = (directory / "events.jsonl").stat().st_size
    kept = sum(file.stat().st_size for file in (directory / "audit").iterdir())
    print(
        f"\n{used.ru_maxrss / 1024:.0f} MB of memory at most, {export / events:.0f} bytes exported and "
        f"{kept / events:.1f} kept for each event"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(chosen.events, Path(directory)))


if __name__ == "__main__":
    main()
