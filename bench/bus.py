"""Measures the client's CPU for each step of a mail on the bus, with plain nats-py beside it.

`python -m bench.bus` prints, for each operation, microseconds of this process's CPU, and operations
a second. The server is another process. 20 operations run at a time.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import nats
import uvloop
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from varco_common.base.ids import new_id
from varco_common.base.subjects import ballot as ballot_subject
from varco_common.base.subjects import mail, partition
from varco_common.bus import Bus
from varco_common.mail.ballot import Ballot, Vote, accept, decode_ballot, decode_vote, encode
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import HEADER, BodyReference, MailAccepted, decode_record, encode_record
from varco_common.mime import Manifest, Part
from varco_common.testing import NatsServer, nats_server

COUNT = 4_000
ABREAST = 20
BODY = os.urandom(10_240)
VOTERS = ("policy", "ratelimit", "banguard", "filelink")
MANIFEST = Manifest(
    parts=(
        Part(path="1", media_type="text/plain", start=500, end=5_000, size=4_500, charset="utf-8"),
        Part(path="2", media_type="application/pdf", start=5_200, end=10_000, size=3_500, names=("a.pdf",), kind="pdf"),
    ),
    authors=("alice@acme.example",),
    message_id="<1@acme.example>",
    subject="A mail",
)

Rows = dict[str, tuple[float, float]]


def ballot() -> Ballot:
    envelope = Envelope(
        id=new_id(),
        account="acme",
        sender="alice@acme.example",
        recipients=("bob@partner.example",),
        host="192.0.2.7",
        received_at=datetime.now(UTC),
        size=len(BODY),
    )
    return Ballot(envelope=envelope, manifest=MANIFEST)


def record() -> MailAccepted:
    put = ballot()
    votes = tuple(accept(voter) for voter in VOTERS)
    return MailAccepted(envelope=put.envelope, manifest=put.manifest, votes=votes, body=BodyReference(size=len(BODY)))


def cast_yes(voter: str, _: Ballot) -> Vote:
    return accept(voter)


async def measured(rows: Rows, name: str, operation: Callable[[], Awaitable[object]]) -> None:
    """Runs `operation` COUNT times, ABREAST at a time."""
    left = iter(range(COUNT))

    async def worker() -> None:
        for _ in left:
            await operation()

    cpu, clock = time.process_time(), time.monotonic()
    await asyncio.gather(*(worker() for _ in range(ABREAST)))
    rows[name] = ((time.process_time() - cpu) / COUNT * 1e6, COUNT / (time.monotonic() - clock))


async def lean(server: NatsServer) -> Rows:
    rows: Rows = {}
    async with Bus.connect(server.settings(), "bench") as bus, Bus.connect(server.settings(), "voters") as voters:
        await measured(rows, "append_mail, 10 KB", lambda: bus.mail.append("accepted", record(), BODY))

        async def put(count: int) -> None:
            await bus.voting.collect(ballot(), VOTERS[:count], 5)

        for number, voter in enumerate(VOTERS, 1):
            await voters.voting.serve(voter, partial(cast_yes, voter))
            if number in (1, 4):
                name = f"ballot, {number} voter(s), their side too"
                await measured(rows, name, partial(put, number))
        async with bus.mail.consume("bench", "mail.>", in_flight=200, max_bytes=8 << 20) as puller:

            async def pulled() -> None:
                await (await anext(puller)).ack()

            await measured(rows, "pull and ack, 10 KB", pulled)
    return rows


async def plain(server: NatsServer) -> Rows:
    """Returns the same operations on nats-py, as its documentation shows them.

    Each ballot has its own inbox for the votes.
    """
    rows: Rows = {}
    bus, voters = await nats.connect(server.url), await nats.connect(server.url)
    stream = bus.jetstream()

    async def append() -> None:
        each = record()
        headers = {"Nats-Msg-Id": each.envelope.id, HEADER: encode_record(each)}
        await stream.publish(mail("accepted", "acme"), BODY, headers=headers)

    async def collect(count: int) -> None:
        put = ballot()
        inbox = bus.new_inbox()
        subscription = await bus.subscribe(inbox, max_msgs=count)
        await bus.publish(ballot_subject(partition(put.envelope.account)), encode(put), reply=inbox)
        for _ in range(count):
            decode_vote((await subscription.next_msg(5)).data)

    await measured(rows, "append_mail, 10 KB", append)
    for number, voter in enumerate(VOTERS, 1):

        async def vote(message: Msg, voter: str = voter) -> None:
            decode_ballot(message.data)
            await message.respond(encode(accept(voter)))

        await voters.subscribe("ballot.*", queue=voter, cb=vote)
        await voters.flush()
        if number in (1, 4):
            name = f"ballot, {number} voter(s), their side too"
            await measured(rows, name, partial(collect, number))
    puller = await stream.pull_subscribe("mail.>", "bench", config=ConsumerConfig(max_ack_pending=-1))
    waiting: list[Msg] = []
    fetching = asyncio.Lock()

    async def pulled() -> None:
        async with fetching:
            if not waiting:
                waiting.extend(await puller.fetch(200, timeout=5))
            message = waiting.pop()
        decode_record((message.headers or {})[HEADER])
        await message.ack()

    await measured(rows, "pull and ack, 10 KB", pulled)
    await bus.close()
    await voters.close()
    return rows


async def main() -> None:
    found: dict[str, Rows] = {}
    for name, run in (("nats-py", plain), ("varco", lean)):
        async with nats_server() as server:
            found[name] = await run(server)
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    print(f"{'':36}{'nats-py':>10}{'varco':>10}   CPU us each{'nats-py':>12}{'varco':>8} a second")
    for step, (cpu, rate) in found["nats-py"].items():
        own_cpu, own_rate = found["varco"][step]
        print(f"{step:36}{cpu:10.0f}{own_cpu:10.0f}{'':14}{rate:12.0f}{own_rate:8.0f}")


if __name__ == "__main__":
    uvloop.run(main())
