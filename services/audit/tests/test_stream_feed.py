"""The feed gives each reader every event of its filters once and in order, whenever it joins."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime

from varco_audit.stream_feed import StreamFeed, event_feed, mail_feed
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import AuthCause, AuthFailed, ConnectionsRefused, RefusedConnections
from varco_common.testing import NatsServer

ALL = "events.>"
FAILED = "events.ingress-smtp.auth-failed.*"


async def append(bus: Bus, host: str) -> None:
    now = datetime.now(UTC)
    await bus.events.append(AuthFailed(at=now, host=host, login="x", cause=AuthCause.WRONG_CREDENTIALS))
    refused = ConnectionsRefused(at=now, host=host, count=1, cause=RefusedConnections.BANNED)
    await bus.events.append(refused)


async def read(feed: StreamFeed, count: int, *filters: str, after: int = 0) -> list[int]:
    sequences = []
    async with asyncio.timeout(60), aclosing(feed.follow(*filters, after=after)) as messages:
        async for message in messages:
            sequences.append(message.sequence)
            if len(sequences) == count:
                return sequences
    raise AssertionError


async def test_readers_that_join_at_any_time_get_each_event_once_and_in_order(nats: NatsServer):
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus.connect(nats.settings(), "test"))
        bus.events.whole = True
        await append(bus, "192.0.2.1")
        feed = event_feed(bus)
        await stack.enter_async_context(run_in_background(feed.run()))
        reading = [asyncio.create_task(read(feed, 600, ALL)), asyncio.create_task(read(feed, 300, FAILED))]
        for number in range(299):
            await append(bus, "192.0.2.2")
            if number % 50 == 0:
                after = 2 * number
                reading.append(asyncio.create_task(read(feed, 600 - after, ALL, after=after)))
                reading.append(asyncio.create_task(read(feed, 300 - number, FAILED, after=after)))
        everything, failed, *later = await asyncio.gather(*reading)
    assert everything == list(range(1, 601))
    assert failed == list(range(1, 601, 2))
    for sequences in later[::2]:
        assert sequences == everything[-len(sequences) :]
    for sequences in later[1::2]:
        assert sequences == failed[-len(sequences) :]


async def test_a_reader_that_leaves_without_having_read_holds_up_nobody(nats: NatsServer):
    async with Bus.connect(nats.settings(), "test") as bus:
        bus.events.whole = True
        feed = event_feed(bus)
        async with run_in_background(feed.run()):
            leaving = feed.follow(ALL)
            first = asyncio.create_task(anext(leaving))
            await append(bus, "192.0.2.3")
            assert (await first).sequence == 1
            other = asyncio.create_task(read(feed, 1_402, ALL))
            for _ in range(70):  # 1,400 events: more than a reader may be behind
                await asyncio.gather(*(append(bus, "192.0.2.4") for _ in range(10)))
            await leaving.aclose()
            assert await other == list(range(1, 1_403))


async def test_records_of_mail_come_once_and_in_order(gate):
    before = [await gate.mail() for _ in range(3)]
    feed = mail_feed(gate.bus)
    async with run_in_background(feed.run()):
        reading = asyncio.create_task(read(feed, 6, "mail.*.*"))
        after = [await gate.mail() for _ in range(3)]
        assert await reading == list(range(1, len(before) + len(after) + 1))
