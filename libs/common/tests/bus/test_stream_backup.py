"""Streams leave the bus whole and come back the same: sequences, times, gaps, and what consumers
have done.
"""

import pytest

from varco_common.base.errors import TransientError
from varco_common.bus import Bus, StreamMessage
from varco_common.bus.connection import NatsConnection
from varco_common.bus.ordered_consumer import OrderedConsumer
from varco_common.bus.stream_backup import RawRecord, StreamBackup
from varco_common.testing import NatsServer, nats_server
from varco_common.testing.samples import failed, record

from .test_mail import pending_becomes, take


async def test_a_restored_stream_is_the_same_to_the_byte(bus: Bus, nats: NatsServer):
    for number in range(50):
        await bus.events.append(failed(number))
    async with nats_server(streams=False) as other:
        await move("EVENTS", nats, other)
        assert await content("EVENTS", other) == await content("EVENTS", nats)
        async with Bus.connect(other.settings(), "test") as there:
            assert await there.events.append(failed(50)) == 51


async def test_mails_that_came_meanwhile_keep_their_sequences_and_gaps(bus: Bus, nats: NatsServer):
    """Ten before the snapshot, ten behind it, one of which is erased by now."""
    await fill(bus, 10)
    async with (
        nats_server(streams=False) as other,
        StreamBackup.open(nats.settings()) as old,
        StreamBackup.open(other.settings()) as new,
    ):
        await move("MAIL", nats, other)
        await fill(bus, 10)
        await erase(nats, 15)
        assert await new.append_mails(old.read_mails(5)) == 9
        there = await content("MAIL", other)
        assert [message.sequence for message in there] == [*range(1, 15), *range(16, 21)]
        assert [one[2:] for one in there] == [one[2:] for one in await content("MAIL", nats)], "all but the time"
        assert (await new.contents("MAIL")).last == 20


async def test_a_last_mail_that_was_erased_does_not_give_its_sequence_away(bus: Bus, nats: NatsServer):
    await fill(bus, 1)
    async with nats_server(streams=False) as other, StreamBackup.open(other.settings()) as new:
        await move("MAIL", nats, other)
        await new.append_mails(each(RawRecord(2), RawRecord(3)))
        await other.restart()
        async with Bus.connect(other.settings(), "test") as there:
            assert await there.mail.append("accepted", record(b"x"), b"x") == 4


async def test_what_relay_has_acknowledged_stays_so_and_others_begin_again(bus: Bus, nats: NatsServer):
    await fill(bus, 3)
    for durable in ("relay-acme", "archive"):
        async with bus.mail.consume(durable, "mail.*.acme", in_flight=2, max_bytes=10_000, ack_wait=1) as consumer:
            for mail in await take(consumer, 2):
                await mail.ack()
            await pending_becomes(consumer, 1)
    async with nats_server(streams=False) as other, StreamBackup.open(other.settings()) as backup:
        await move("MAIL", nats, other)
        await backup.delete_consumers("MAIL", keep=("relay-", "filelink"))
        async with Bus.connect(other.settings(), "test") as there:
            for durable, first in (("relay-acme", 3), ("archive", 1)):
                async with there.mail.consume(
                    durable, "mail.*.acme", in_flight=1, max_bytes=10_000, ack_wait=1
                ) as consumer:
                    [mail] = await take(consumer, 1)
                    assert (durable, mail.sequence) == (durable, first)


async def test_nothing_is_restored_over_a_stream_that_held_anything(bus: Bus, nats: NatsServer):
    await bus.events.append(failed(1))
    with pytest.raises(TransientError, match="EVENTS isn't empty"):
        await move("EVENTS", nats, nats)


async def test_half_a_snapshot_makes_no_stream(bus: Bus, nats: NatsServer):
    for number in range(200):
        await bus.events.append(failed(number))
    async with (
        StreamBackup.open(nats.settings()) as old,
        nats_server(streams=False) as other,
        StreamBackup.open(other.settings()) as new,
    ):
        async with old.snapshot("EVENTS") as (about, pieces):
            whole = b"".join([piece async for piece in pieces])
        with pytest.raises(TransientError):
            await new.restore("EVENTS", about, each(whole[: len(whole) // 2]))
        assert (await new.contents("EVENTS")).last == 0


async def fill(bus: Bus, count: int) -> None:
    for _ in range(count):
        await bus.mail.append("accepted", record(b"x" * 500), b"x" * 500)


async def erase(nats: NatsServer, sequence: int) -> None:
    async with NatsConnection.open(nats.settings(), "operator") as link:
        await link.request("$JS.API.STREAM.MSG.DELETE.MAIL", b'{"seq":%d}' % sequence, timeout=30)


async def move(stream: str, here: NatsServer, there: NatsServer) -> None:
    async with StreamBackup.open(here.settings()) as old, StreamBackup.open(there.settings()) as new:
        async with old.snapshot(stream) as (about, pieces):
            content = [piece async for piece in pieces]
        await new.restore(stream, about, each(*content))


async def content(stream: str, nats: NatsServer) -> list[StreamMessage]:
    found: list[StreamMessage] = []
    async with StreamBackup.open(nats.settings()) as backup:
        count = (await backup.contents(stream)).messages
    async with (
        NatsConnection.open(nats.settings(), "reader") as link,
        OrderedConsumer.open(link, stream, (">",), 0) as messages,
    ):
        while len(found) < count:
            found.append((await anext(messages))._replace(pending=0))
    return found


async def each(*things):
    for thing in things:
        yield thing
