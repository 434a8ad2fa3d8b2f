"""Measures `varco whatif` over mails of 30 days: `python -m bench.whatif`.

It writes the mails into EVENTS of a running gate as audit's recorder does: half like those of an
office, half with attachments. It times the command as an operator types it, from its start to its
last line.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import uvloop
from msgspec.structs import replace

from bench import proc
from bench.audit_index import NOBODYS
from bench.gates.varco import Stack, running
from bench.report import machine
from varco_cli.stack.bus import operator
from varco_cli.stack.settings import SERVICES
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.events import MailDelivered, encode_event
from varco_common.events.audit import MailRecorded, encode_recorded
from varco_common.mail.ballot import accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted, encode_record
from varco_common.mime import Manifest, Part

DAYS = 30
BATCH = 250
SENDERS = 500
NAMES = ("offer.pdf", "photo.jpg", "table.xlsx", "notes.txt", "contract.docx", "plan.dwg")

FILES: dict[str, dict[str, object]] = {
    "attachments": {"rules": {"attachments": {"allow": ["pdf", "txt", "jpg"]}}},
    "quotas": {"quotas": {"messages": 5, "account": {"messages": 3_000}}},
    "all": {
        "senders": [f"user{number}@corp.test" for number in range(0, SENDERS, 2)],
        "rules": {"attachments": {"allow": ["pdf", "txt"]}, "max_size": "1MB", "max_recipients": 3},
        "quotas": {"messages": 10, "recipients": {"limit": 20, "per": "calendar day"}},
        "filelink": {"over": "100kB"},
    },
}


class Office:
    """Mails as in an office: with text and HTML, every second with one to three attachments."""

    def __init__(self, sequence: int) -> None:
        self._random = Random(7)
        self._sequence = sequence

    def record(self, at: datetime) -> MailAccepted:
        random = self._random
        sender = f"user{random.randrange(SENDERS)}@corp.test"
        size = int(random.lognormvariate(10, 1.5)) + 2_000
        envelope = Envelope(
            id=new_id(),
            account="bench",
            sender=sender,
            recipients=tuple(f"r{random.randrange(20_000)}@dest.test" for _ in range(1 + random.randrange(5) // 2)),
            host="127.0.0.1",
            received_at=at,
            size=size,
            helo="client.corp.test",
        )
        clock = int(at.timestamp() * 1000)
        votes = (
            accept("policy", self._sequence),
            replace(accept("ratelimit", self._sequence), figures={"clock": clock, "counted": 0}),
            replace(accept("banguard"), figures={"clock": clock * 1_000, "hosts": 0, "gate": 0}),
            accept("filelink", self._sequence),
        )
        manifest = Manifest(
            parts=tuple(self._parts(size)),
            authors=(sender,),
            message_id=f"<{envelope.id}@corp.test>",
            subject="about the matter that we spoke of",
            header_end=900,
            has_date=True,
        )
        return MailAccepted(
            envelope=envelope, manifest=manifest, votes=votes, body=BodyReference(size=size + 200, sha256="0" * 64)
        )

    def _parts(self, size: int) -> list[Part]:
        random = self._random
        parts = [
            Part(path="1.1", media_type="text/plain", start=1_000, end=1_500, size=500, charset="utf-8"),
            Part(path="1.2", media_type="text/html", start=1_600, end=1_990, size=390, charset="utf-8"),
        ]
        if random.random() < 0.5:
            return parts
        for number in range(1 + random.randrange(3)):
            name = random.choice(NAMES)
            part = Part(
                path=f"{number + 2}",
                media_type="application/octet-stream",
                start=2_000,
                end=size,
                size=(size - 2_000) * 3 // 4,
                names=(name,),
                disposition="attachment",
                encoding="base64",
            )
            parts.append(part)
        return parts


async def fill(bus: Bus, mails: int) -> None:
    """Writes that many mails of the last 30 days, in batches, after what audit has written.

    Each is delivered at once: audit would state that it lacks an outcome, beside what is measured.
    """
    subject = MailRecorded.subject_filter("bench")
    last = await bus.events.last_sequence(MailRecorded.subject_filter())
    office = Office(await bus.events.last_sequence("events.>"))
    begin = datetime.now(UTC) - timedelta(days=DAYS) + timedelta(minutes=5)
    step = timedelta(days=DAYS) / mails
    batch: list[tuple[str, bytes]] = []
    outcomes: list[tuple[str, bytes]] = []
    for number in range(mails):
        at = begin + number * step
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        mail = office.record(at)
        record = encode_record(mail).encode()
        event = encode_recorded(at=stamp, sequence=number + 1, kind="accepted", stored_at=stamp, record=record)
        batch.append((subject, event))
        outcomes.append(_delivered(mail.envelope, number + 1))
        if len(batch) == BATCH or number == mails - 1:
            last = await bus.events.append_encoded(batch, expect=last, expect_subject=MailRecorded.subject_filter())
            await bus.events.append_encoded(outcomes, expect=0, expect_subject=NOBODYS)
            batch, outcomes = [], []


def _delivered(envelope: Envelope, sequence: int) -> tuple[str, bytes]:
    event = MailDelivered(
        at=envelope.received_at,
        account=envelope.account,
        mail=envelope.id,
        sequence=sequence,
        recipients=envelope.recipients,
        host="mx.dest.test:25",
        answer="250 2.0.0 Ok: queued as 4WxYz",
    )
    return event.subject, encode_event(event)


def allow(stack: Stack) -> None:
    """Sets rules that let all of these mails pass."""
    extensions = [name.partition(".")[2] for name in NAMES]
    file = {"account": "bench", "rules": {"attachments": {"allow": extensions}}}
    command = [sys.executable, "-m", "varco_cli.main", "apply", "--yes", "-f", "-"]
    subprocess.run(command, env=stack.environment, input=json.dumps(file), text=True, check=True)


async def settled(stack: Stack) -> None:
    """Waits until audit has indexed everything."""
    while True:
        before = proc.cpu([stack.pid])
        await asyncio.sleep(2.0)
        if proc.cpu([stack.pid]) - before < 0.15:
            return


def timed(stack: Stack, what: str, *arguments: str, document: object = None) -> str:
    """Runs the command, and returns a row of the table."""
    before, began = proc.cpu([stack.pid]), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "varco_cli.main", *arguments, "--json"],
        env=stack.environment,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found = json.loads(done.stdout)
    mails = found.get("mails") or found["counts"]["policy"]["mails"]
    otherwise = sum(found["outcomes"].values()) if "outcomes" in found else found["differences"]
    return f"| {what} | {mails:,} | {otherwise:,} | {seconds:.1f} | {proc.cpu([stack.pid]) - before:.1f} |"


async def run(mails: int) -> None:
    with tempfile.TemporaryDirectory(prefix="varco-bench-") as folder:
        async with running(Path(folder) / "home", 9) as stack:
            allow(stack)
            settings = operator(
                StateDirectory(stack.home), "127.0.0.1", int(stack.environment["VARCO_API_PORT"]) + SERVICES
            )
            async with Bus.connect(settings, "bench") as bus:
                await fill(bus, mails)
            await settled(stack)
            of = machine()
            print(f"{of.processors} processors ({of.model}), Linux {of.kernel}, Python {of.python}.\n")
            print("| command | mails | otherwise | seconds | CPU s of the gate |\n| --- | ---: | ---: | ---: | ---: |")
            for name, sections in FILES.items():
                file = {"account": "bench", **sections}
                arguments = ("whatif", "-f", "-", "--since", f"{DAYS}d")
                print(await asyncio.to_thread(timed, stack, f"whatif: {name}", *arguments, document=file), flush=True)
            again = ("replay", "verify", "--since", f"{DAYS}d")
            print(await asyncio.to_thread(timed, stack, "replay verify", *again), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=100_000)
    uvloop.run(run(parser.parse_args().mails))
