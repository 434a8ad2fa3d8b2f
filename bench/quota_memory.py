"""Measures ratelimit: memory by senders with traffic, votes a second, counted records a second.

`python -m bench.quota_memory` prints a table. Each line is measured in its own process.
"""

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import uvloop

from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.events import Limit, Meter, Quotas
from varco_common.mail.ballot import Ballot, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest
from varco_common.testing import nats_server
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.decide import amounts_of, decide
from varco_ratelimit.known_recipients import KnownRecipients, first_time_count, pair_of
from varco_ratelimit.mail_counter import MailCounter
from varco_ratelimit.model import AccountQuotas
from varco_ratelimit.quota_windows import DAY, milliseconds
from varco_ratelimit.reservation_log import ReservationLog

ACCOUNTS = 1_000
VOTES = 50_000
RECORDS = 30_000
LAPSE = 120_000


def resident() -> int:
    """Returns the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def address(number: int) -> str:
    return f"sender.number{number}@company{number % ACCOUNTS}.example"


def ballot(number: int) -> Ballot:
    envelope = Envelope(
        id=new_id(),
        account=f"company{number % ACCOUNTS}",
        sender=address(number),
        recipients=("someone@elsewhere.example",),
        host="192.0.2.7",
        received_at=datetime.now(UTC),
        size=20_000,
    )
    return Ballot(envelope=envelope, manifest=Manifest())


def filled(senders: int, mails: int, now: int) -> QuotaCounters:
    """Returns the day's mails of all senders, in an order as they arrive."""
    counters, sequence = QuotaCounters(LAPSE), 0
    for turn in range(mails):
        for number in range(senders):
            sequence += 1
            at = now - DAY + (turn * senders + number) * DAY // (mails * senders)
            counters.commit(
                sequence, Reservation("", f"company{number % ACCOUNTS}", address(number), (1, 2, 20_000, 0), at)
            )
    return counters


def memory(senders: int, mails: int) -> None:
    """Prints one line of the table."""
    gc.collect()
    before, now = resident(), milliseconds(datetime.now(UTC))
    counters = filled(senders, mails, now)
    gc.collect()
    taken = resident() - before
    rate = votes(counters, senders, now)
    print(
        f"| {senders:,} | {mails} | {taken / 1e6:,.0f} | {taken / senders:,.0f} | {rate:,.0f} |".replace(",", " "),
        flush=True,
    )


def votes(counters: QuotaCounters, senders: int, now: int) -> float:
    """Returns votes a second.

    A vote decides on two limits of the sender and one of the account, writes down and reserves.
    """
    limit = Limit(limit=1_000_000)
    quotas = Quotas(senders={Meter.MESSAGES: limit, Meter.RECIPIENTS: limit}, whole={Meter.MESSAGES: limit})
    accounts = {f"company{n}": AccountQuotas(account=f"company{n}", quotas=quotas) for n in range(ACCOUNTS)}
    chance = Random(1)
    ballots = [ballot(chance.randrange(senders)) for _ in range(VOTES)]
    with tempfile.TemporaryDirectory() as home, ReservationLog.open(Path(home), LAPSE) as journal:
        begun = time.perf_counter()
        for one in ballots:
            envelope, amounts = one.envelope, amounts_of(one, 0)
            decision = decide(
                one, accounts[envelope.account], counters.account_counters(envelope.account), amounts, now
            )
            assert decision.vote.reply.accepts
            reserved = Reservation(envelope.id, envelope.account, envelope.sender, amounts, now)
            journal.write(reserved)
            counters.reserve(reserved)
        return VOTES / (time.perf_counter() - begun)


def recipients(pairs: int) -> None:
    """Measures the memory of known recipients, and lookups a second."""
    before, held = resident(), KnownRecipients()
    begun = time.perf_counter()
    for number in range(pairs):
        held.put(pair_of("acme", "alice@acme.example", f"r{number}@elsewhere.example"), 20_000)
    put = pairs / (time.perf_counter() - begun)
    begun = time.perf_counter()
    first_time_count(
        held, "acme", "alice@acme.example", (f"r{number}@elsewhere.example" for number in range(VOTES)), 20_000 * DAY
    )
    asked = VOTES / (time.perf_counter() - begun)
    print(
        f"{pairs:,} pairs: {(resident() - before) / pairs:.1f} bytes each; {put:,.0f} learned, {asked:,.0f} asked a second"
    )


async def replay() -> None:
    """Returns the records of MAIL that a start counts a second, from the bus to memory."""
    async with nats_server() as nats, Bus.connect(nats.settings(), "bench") as bus:
        for start in range(0, RECORDS, 500):
            await asyncio.gather(*(bus.mail.append("accepted", record(n), b"x") for n in range(start, start + 500)))
        counter = MailCounter(bus, QuotaCounters(LAPSE), KnownRecipients())
        begun, cpu = time.perf_counter(), time.process_time()
        following = asyncio.create_task(counter.follow(0, 0))
        await counter.caught_up()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        following.cancel()
        print(f"{RECORDS / seconds:,.0f} records a second, {cpu / RECORDS * 1e6:.0f} microseconds of CPU each")


def record(number: int) -> MailAccepted:
    one = ballot(number)
    return MailAccepted(
        envelope=one.envelope,
        manifest=one.manifest,
        votes=(accept("policy"), accept("ratelimit")),
        body=BodyReference(size=1, sha256="0" * 64),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senders", type=int, default=0)
    parser.add_argument("--mails", type=int, default=1, help="mails of each sender in the window")
    chosen = parser.parse_args()
    if chosen.senders:
        memory(chosen.senders, chosen.mails)
        return
    print("| senders | mails each | MB | bytes a sender | votes/s |\n| ---: | ---: | ---: | ---: | ---: |", flush=True)
    for senders, mails in ((10_000, 1), (100_000, 1), (1_000_000, 1), (1_000_000, 5), (1_000, 1_000)):
        own = [sys.executable, "-m", "bench.quota_memory", "--senders", str(senders), "--mails", str(mails)]
        subprocess.run(own, check=True)
    recipients(1_000_000)
    uvloop.run(replay())


if __name__ == "__main__":
    main()
