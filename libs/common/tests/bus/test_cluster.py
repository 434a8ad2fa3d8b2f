"""Three servers, one of which is killed under traffic: nothing acknowledged is lost, and all of it
flows on within seconds.
"""

import asyncio
import time
from collections import Counter

import pytest

from varco_common.bus import Bus
from varco_common.bus.stream_backup import StreamBackup
from varco_common.mail.ballot import accept
from varco_common.testing.samples import ballot, failed, record
from varco_common.testing.waiting import eventually

from .cluster import nats_cluster

SECONDS = 60.0  # servers take four to nine to choose a leader; the clients then find it


@pytest.mark.timeout(180)
async def test_a_killed_leader_costs_seconds_and_nothing_else():
    """Mail is appended and pulled, records are followed, events appended; the node that leads MAIL
    is killed.
    """
    async with (
        nats_cluster() as cluster,
        Bus.connect(cluster.settings(), "ingress-smtp") as ingress,
        Bus.connect(cluster.settings(), "relay") as relay,
    ):
        sent: list[str] = []
        pulled: Counter[str] = Counter()
        followed: list[int] = []
        over = asyncio.Event()

        async def send() -> None:
            """No append fails: each waits for the new leader."""
            while not over.is_set():
                mail = record(b"x" * 2_000)
                await ingress.mail.append("accepted", mail, b"x" * 2_000)
                sent.append(mail.envelope.id)

        async def pull() -> None:
            async with relay.mail.consume(
                "relay-acme", "mail.accepted.acme", in_flight=20, max_bytes=10**6, ack_wait=5
            ) as mails:
                async for mail in mails:
                    pulled[mail.record.envelope.id] += 1
                    await mail.ack()

        async def follow() -> None:
            async for one in relay.mail.follow("mail.*.*"):
                followed.append(one.sequence)  # noqa: PERF401 - it never ends

        sender = asyncio.create_task(send())
        others = [asyncio.create_task(work()) for work in (pull, follow)]
        await eventually(lambda: len(pulled) > 50 and len(followed) > 50)
        await cluster.nodes[await cluster.leader("MAIL")].kill()
        killed, had = time.monotonic(), (len(sent), len(pulled), len(followed))
        await eventually(
            lambda: all(
                now > then + 50 for now, then in zip((len(sent), len(pulled), len(followed)), had, strict=True)
            ),
            SECONDS,
        )
        assert time.monotonic() - killed < SECONDS
        over.set()
        await sender
        last = await ingress.mail.last_sequence("mail.*.*")
        await eventually(lambda: pulled.keys() >= {*sent} and followed[-1:] == [last], SECONDS)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        assert followed == [*range(1, last + 1)]
        assert len(sent) == last, "each mail is there once, though some were sent to a dead leader"


@pytest.mark.timeout(120)
async def test_who_loses_its_server_finds_another_and_votes_go_on():
    async with (
        nats_cluster() as cluster,
        Bus.connect(cluster.settings(), "ingress-smtp") as ingress,
        Bus.connect(cluster.settings(), "policy") as policy,
    ):
        await policy.voting.serve("policy", lambda _: accept("policy"))
        for name, node in cluster.nodes.items():
            await node.kill()
            await eventually(lambda: ingress.voting.collect(ballot(), ["policy"], 1), SECONDS)
            await node.start()
            await eventually(lambda name=name: is_member(cluster, name), SECONDS)


@pytest.mark.timeout(120)
async def test_streams_of_one_copy_become_streams_of_three():
    """As when a single server grows to a cluster: what is in them is on all three then."""
    async with nats_cluster(replicas=1) as cluster, Bus.connect(cluster.settings(), "test") as bus:
        for number in range(100):
            await bus.events.append(failed(number))
        await cluster.make_streams(replicas=3)
        await cluster.current("EVENTS")
        await cluster.nodes[await cluster.leader("EVENTS")].kill()
        assert await eventually(lambda: bus.events.last_sequence("events.>"), SECONDS) == 100
        assert await bus.events.append(failed(100)) == 101


@pytest.mark.timeout(120)
async def test_a_backup_of_one_server_goes_into_a_cluster():
    async with (
        nats_cluster(replicas=1) as cluster,
        StreamBackup.open(cluster.settings()) as backup,
        Bus.connect(cluster.settings(), "test") as bus,
    ):
        for number in range(10):
            await bus.events.append(failed(number))
        async with backup.snapshot("EVENTS") as (about, pieces):
            whole = [piece async for piece in pieces]
        await backup.delete("EVENTS")
        assert (await backup.restore("EVENTS", about, each(whole), replicas=3)).last == 10
        await cluster.current("EVENTS")
        assert await bus.events.append(failed(10)) == 11


async def each(pieces):
    for piece in pieces:
        yield piece


async def is_member(cluster, name: str) -> bool:
    return name in await cluster.members()
