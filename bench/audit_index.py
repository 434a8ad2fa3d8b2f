"""Measures how long audit takes to index a history, the size of the index, and searches.

`python -m bench.audit_index [--events 1000000] [--postgres]` fills a real bus with the events of
mails, indexes them from the first one, searches, and prints the table of docs/performance.md.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import sqlalchemy as sa
import uvloop

from bench.proc import Peak, cpu, pss
from varco_audit.batches import BatchLimits
from varco_audit.index.event_index import EventIndex
from varco_audit.index.packed_events import PackedEvents
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_audit.table_projection import ALL_EVENTS
from varco_common.base.ids import new_id
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import AuthCause, AuthFailed, Event, MailDelivered, MailRecorded, MailRefused, encode_event
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest
from varco_common.mime.model import Part
from varco_common.storage import database
from varco_common.testing import nats_server
from varco_common.testing.postgres import postgres_server

ACCOUNTS, SENDERS, RECIPIENTS, HOSTS = 100, 10_000, 200_000, 5_000
VOTERS = ("policy", "ratelimit", "banguard", "filelink")
AT = datetime.now(UTC) - timedelta(hours=1)  # banguard passes over failed logins that are older than ten minutes
QUESTIONS = 100
PAGE = 100
NOBODYS = "events.bench.none.none"  # no event has this subject: an append that expects none always succeeds


class Traffic:
    """The events of a gate: of 200, 92 records, 92 deliveries, 10 refusals, 6 failed logins."""

    def __init__(self) -> None:
        self._random = Random(6)
        self.mails: list[tuple[str, str, str, str]] = []

    def events(self, count: int) -> list[Event]:
        made: list[Event] = []
        while len(made) < count:
            what = self._random.random()
            made += [self._failed()] if what < 0.055 else [self._refused()] if what < 0.148 else self._mail()
        return made

    def _envelope(self) -> Envelope:
        sender = self._random.randrange(SENDERS)
        account = f"company{sender % ACCOUNTS}"
        recipient = f"person{self._random.randrange(RECIPIENTS)}@partner{self._random.randrange(3_000)}.example"
        envelope = Envelope(
            id=new_id(),
            account=account,
            sender=f"sender{sender}@{account}.example",
            recipients=(recipient,),
            host=f"198.51.{self._random.randrange(HOSTS) // 250}.{self._random.randrange(250)}",
            received_at=AT,
            size=48_112,
            helo=f"pc{sender}.{account}.example",
            login=f"sender{sender}@{account}.example",
            tls="TLSv1.3",
            listener="submission",
        )
        if len(self.mails) < 20_000 or self._random.random() < 0.02:
            self.mails.append((envelope.id, self._message_id(envelope), recipient, envelope.sender))
        return envelope

    def _message_id(self, envelope: Envelope) -> str:
        return f"{envelope.id[::-1]}@mail.{envelope.account}.example"

    def _manifest(self, envelope: Envelope) -> Manifest:
        parts = (
            Part(path="1", media_type="text/plain", start=900, end=2_400, size=1_500, charset="utf-8"),
            Part(path="2", media_type="application/pdf", start=2_600, end=48_000, size=33_000, names=("offer.pdf",)),
        )
        return Manifest(
            parts=parts,
            authors=(envelope.sender,),
            message_id=f"<{self._message_id(envelope)}>",
            subject="Your offer of last week",
            header_end=860,
        )

    def _mail(self) -> list[Event]:
        envelope = self._envelope()
        record = MailAccepted(
            envelope=envelope,
            manifest=self._manifest(envelope),
            votes=tuple(accept(voter, 1_000) for voter in VOTERS),
            body=BodyReference(size=48_112, sha256="0" * 64),
        )
        return [
            MailRecorded(at=AT, sequence=1, kind="accepted", stored_at=AT, record=record),
            MailDelivered(
                at=AT,
                account=envelope.account,
                mail=envelope.id,
                sequence=1,
                recipients=envelope.recipients,
                host="mx.provider.example:25",
                answer="250 2.0.0 Ok: queued as 4WxYz",
                tls="TLSv1.3",
            ),
        ]

    def _refused(self) -> Event:
        envelope = self._envelope()
        no = Vote(voter="policy", reply=Reply.FORBIDDEN_ATTACHMENT, reason="offer.exe", sequence=1_000)
        ballot = Ballot(envelope=envelope, manifest=self._manifest(envelope))
        votes = (no, *(accept(voter, 1_000) for voter in VOTERS[1:]))
        return MailRefused(at=AT, ballot=ballot, votes=votes, reply=no.reply, answer=no.reply.answer.line())

    def _failed(self) -> Event:
        host = f"203.0.113.{self._random.randrange(250)}"
        return AuthFailed(at=AT, host=host, login="info@company1.example", cause=AuthCause.WRONG_CREDENTIALS)


async def fill(bus: Bus, traffic: Traffic, count: int, *, exclusive: bool = True) -> int:
    """Appends that many events in batches, and returns their bytes.

    Without `exclusive` others append too.
    """
    last = size = done = 0
    while done < count:
        batch = [(event.subject, encode_event(event)) for event in traffic.events(500)][:1_000]
        size += sum(len(payload) for _, payload in batch)
        expect, subject = (last, ALL_EVENTS) if exclusive else (0, NOBODYS)
        last = await bus.events.append_encoded(batch, expect=expect, expect_subject=subject)
        done += len(batch)
    return size


async def index_all(index: EventIndex, packed: PackedEvents, last: int) -> tuple[float, float, float]:
    """Indexes all events, and returns seconds, CPU seconds and the growth of memory in MB."""
    before = pss([os.getpid()])
    began, used = time.perf_counter(), time.process_time()
    peak = Peak(lambda: [os.getpid()])
    with peak.watching():
        async with run_in_background(index.run(), packed.run()):
            await index.wait_until_applied(last)
            await packed.wait_until_applied(last)
    return time.perf_counter() - began, time.process_time() - used, peak.mb - before


async def ask(reader: EventReader, wanted: Callable[[], EventQuery]) -> tuple[float, float, float]:
    """Returns milliseconds of a page with payloads (median, 95th percentile) and its length."""
    took, found = [], 0
    for _ in range(QUESTIONS):
        began = time.perf_counter()
        page, _ = await reader.page(wanted(), newest_first=True, limit=PAGE)
        found += len(page)
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], found / QUESTIONS


def questions(traffic: Traffic) -> dict[str, Callable[[], EventQuery]]:
    random = Random(7)

    def one(place: int) -> str:
        return random.choice(traffic.mails)[place]

    def an_hour() -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)

    return {
        "mail id": lambda: EventQuery(mail=one(0)),
        "Message-ID": lambda: EventQuery(message_id=one(1)),
        "recipient": lambda: EventQuery(recipient=one(2)),
        "sender": lambda: EventQuery(sender=one(3)),
        "host": lambda: EventQuery(host="203.0.113.7"),
        "account and fact": lambda: EventQuery(account="company7", facts=("mail-refused",)),
        "account, since an hour": lambda: EventQuery(account="company9", since=an_hour()),
        "Message-ID, by an account's token": lambda: EventQuery(message_id=one(1), account="company1"),
        "all, newest": EventQuery,
    }


@asynccontextmanager
async def open_tables(bus: Bus, url: str) -> AsyncIterator[tuple[EventIndex, PackedEvents]]:
    async with database.connect(url, "audit") as engine:
        await database.migrate(engine, "varco_audit")
        yield EventIndex(bus, engine), PackedEvents(bus, engine, BatchLimits())


async def size_of(index: EventIndex, url: str) -> float:
    """Returns the size on disk in MB."""
    if url.startswith("sqlite"):
        file = Path(url.partition("///")[2])
        return sum(one.stat().st_size for one in file.parent.glob(f"{file.name}*")) / 1e6
    [[size]] = await index.read(sa.select(sa.func.pg_database_size(sa.func.current_database())))
    return float(size) / 1e6


async def run(count: int, url: str) -> None:
    traffic = Traffic()
    async with (
        nats_server(max_file_store="20GB") as nats,
        Bus.connect(nats.settings(append_timeout_seconds=60.0), "bench") as bus,
    ):
        began = time.perf_counter()
        size = await fill(bus, traffic, count)
        last = await bus.events.last_sequence(ALL_EVENTS)
        step(f"{last:,} events, {size / 1e6:,.0f} MB of JSON, appended in {time.perf_counter() - began:.0f} s")
        async with open_tables(bus, url) as (index, packed):
            served = cpu([nats.pid])
            seconds, used, memory = await index_all(index, packed, last)
            served = cpu([nats.pid]) - served
            mb = await size_of(index, url)
            print(
                "| events | seconds | events/s | CPU µs an event: audit, bus | index, MB | bytes an event | memory grew by, MB |"
            )
            print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
            print(
                f"| {last:,} | {seconds:.1f} | {last / seconds:,.0f} | {used / last * 1e6:.0f}, {served / last * 1e6:.0f} "
                f"| {mb:,.0f} | {mb * 1e6 / last:.0f} | {memory:.0f} |\n",
                flush=True,
            )
            reader = EventReader(bus, index, EventSearch(index), packed, asyncio.Event())
            print("| asked for | median, ms | 95 %, ms | events found |\n| --- | ---: | ---: | ---: |")
            for name, wanted in questions(traffic).items():
                median, slow, found = await ask(reader, wanted)
                print(f"| {name} | {median:.1f} | {slow:.1f} | {found:.0f} |", flush=True)


def step(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    chosen = parser.parse_args()
    postgres = postgres_server() if chosen.postgres else nullcontext()
    with tempfile.TemporaryDirectory(prefix="varco-bench-") as folder, postgres as server:
        url = server.url("postgres") if server else f"sqlite+aiosqlite:///{folder}/audit.sqlite"
        uvloop.run(run(chosen.events, url))


if __name__ == "__main__":
    main()
