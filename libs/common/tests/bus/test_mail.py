"""MAIL: records appended, read by sequence, pulled until they are acknowledged."""

import asyncio

import pytest

from varco_common.base.errors import PoisonError, StoreFull
from varco_common.bus import Bus, BusSettings, Delivery, DurableConsumer, MissingMail
from varco_common.bus.bus_settings import MAX_PAYLOAD
from varco_common.bus.streams import manager
from varco_common.events import RecordParked
from varco_common.testing import NatsServer, nats_server
from varco_common.testing.samples import record
from varco_common.testing.waiting import eventually

from .test_events import first


async def take(consumer: DurableConsumer, count: int) -> list[Delivery]:
    async with asyncio.timeout(60):
        return [await anext(consumer) for _ in range(count)]


async def pending_becomes(consumer: DurableConsumer, count: int) -> None:
    async def is_reached() -> bool:
        return await consumer.pending() == count

    await eventually(is_reached)


async def test_a_mail_is_read_back_by_its_sequence(bus: Bus):
    body = b"Subject: \xc3\xa8\r\n\r\n..\r\n" * 1_000
    mail = record(body, account="acme")
    sequence = await bus.mail.append("accepted", mail, body)
    stored = await bus.mail.get(sequence)
    assert (stored.sequence, stored.subject, stored.record, stored.body) == (
        sequence,
        "mail.accepted.acme",
        mail,
        body,
    )


async def test_a_mail_that_is_not_there_is_poison(bus: Bus):
    with pytest.raises(MissingMail):
        await bus.mail.get(99)


async def test_a_second_append_of_a_mail_stores_nothing_but_its_conversion_is_stored(bus: Bus):
    mail = record()
    sequence = await bus.mail.append("convert", mail, b"")
    assert await bus.mail.append("convert", mail, b"") == sequence
    assert await bus.mail.append("converted", mail, b"") == sequence + 1


async def test_a_mail_over_the_bus_s_limit_is_poison_and_the_connection_lives(bus: Bus):
    with pytest.raises(PoisonError):
        await bus.mail.append("accepted", record(), bytes(MAX_PAYLOAD + 1))
    assert await bus.mail.append("accepted", record(), b"x")


async def test_a_full_stream_refuses_new_mail_and_keeps_the_old():
    async with (
        nats_server(mail_max_bytes=300_000) as server,
        Bus.connect(server.settings(), "test") as bus,
    ):
        sequences = [await bus.mail.append("accepted", record(), bytes(50_000)) for _ in range(5)]
        with pytest.raises(StoreFull):
            await bus.mail.append("accepted", record(), bytes(50_000))
        assert len((await bus.mail.get(sequences[0])).body) == 50_000


async def test_a_pulled_mail_comes_once_when_acknowledged_and_again_when_not(bus: Bus):
    sequences = [await bus.mail.append("accepted", record(b"x"), b"x") for _ in range(3)]
    async with bus.mail.consume("d", "mail.accepted.*", in_flight=10, max_bytes=1 << 20) as consumer:
        one, two, three = await take(consumer, 3)
        assert [each.sequence for each in (one, two, three)] == sequences
        assert (one.body, one.deliveries, one.record.envelope.account) == (b"x", 1, "acme")
        await one.ack()
        await two.nak()
        (again,) = await take(consumer, 1)
        assert (again.sequence, again.deliveries) == (two.sequence, 2)
        await again.ack()
        await pending_becomes(consumer, 1)
    async with bus.mail.consume("d", "mail.accepted.*", in_flight=10, max_bytes=1 << 20, ack_wait=1) as consumer:
        (left,) = await take(consumer, 1)  # three was in hand when the first consumer ended
        assert (left.sequence, left.deliveries) == (three.sequence, 2)


async def test_what_a_closed_consumer_had_not_handed_out_comes_at_once_to_the_next(bus: Bus):
    sequences = [await bus.mail.append("accepted", record(), b"x") for _ in range(5)]
    async with bus.mail.consume("d", "mail.>", in_flight=10, max_bytes=1 << 20) as consumer:
        await take(consumer, 1)
        await eventually(lambda: consumer._queue.qsize() == 4)
    async with bus.mail.consume("d", "mail.>", in_flight=10, max_bytes=1 << 20) as consumer:
        assert {each.sequence for each in await take(consumer, 4)} == set(sequences[1:])


async def test_a_mail_in_hand_is_not_handed_out_twice_however_long_it_takes(bus: Bus):
    await bus.mail.append("accepted", record(), b"x")
    async with bus.mail.consume("d", "mail.>", in_flight=10, max_bytes=1 << 20, ack_wait=0.2) as consumer:
        (slow,) = await take(consumer, 1)
        await eventually(lambda: slow.deliveries > 2)  # the bus sent it again, twice
        await slow.ack()
        second = await bus.mail.append("accepted", record(), b"x")
        assert [each.sequence for each in await take(consumer, 1)] == [second]


async def test_progress_keeps_the_ack_wait_from_ending(bus: Bus):
    await bus.mail.append("accepted", record(), b"x")
    async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20, ack_wait=0.4) as consumer:
        (slow,) = await take(consumer, 1)
        for _ in range(10):
            await slow.progress()
            await asyncio.sleep(0.1)  # the work that takes longer than the ack wait
        assert slow.deliveries == 1


async def test_no_more_is_in_hand_than_asked_for_and_all_come(bus: Bus):
    sequences = [await bus.mail.append("accepted", record(), bytes(1_000_000)) for _ in range(12)]
    done: list[int] = []
    async with bus.mail.consume("d", "mail.>", in_flight=4, max_bytes=2_000_000) as consumer:
        while len(done) < 12:
            (each,) = await take(consumer, 1)
            assert len(consumer._in_hand) <= 4
            done.append(each.sequence)
            await each.ack()
    assert done == sequences


async def test_a_paused_consumer_gets_nothing_until_it_resumes(bus: Bus):
    async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20) as consumer:
        await bus.mail.append("accepted", record(), b"x")
        (one,) = await take(consumer, 1)
        await one.ack()
        consumer.pause()
        sequence = await bus.mail.append("accepted", record(), b"x")
        assert await consumer.pending() == 1
        assert consumer._queue.empty()
        consumer.resume()
        assert [each.sequence for each in await take(consumer, 1)] == [sequence]


async def test_a_pause_in_full_flow_costs_no_mail_its_ack_wait(bus: Bus):
    """The ack wait is a minute: what a forgotten pull still brings must be given back at once."""
    sequences = [await bus.mail.append("accepted", record(), b"x") for _ in range(300)]
    done: set[int] = set()
    async with bus.mail.consume("d", "mail.>", in_flight=40, max_bytes=1 << 20) as consumer:
        while len(done) < 300:
            (each,) = await take(consumer, 1)
            done.add(each.sequence)
            await each.ack()
            if len(done) % 7 == 0:
                consumer.pause()
                consumer.resume()
    assert done == set(sequences)


async def test_headers_only_leaves_the_body_where_it_is(bus: Bus):
    mail = record(b"x" * 1_000)
    await bus.mail.append("accepted", mail, b"x" * 1_000)
    async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20, headers_only=True) as consumer:
        (one,) = await take(consumer, 1)
        assert (one.record, one.body) == (mail, b"")


async def test_a_record_that_cannot_be_read_is_parked_and_the_next_one_comes(bus: Bus, nats: NatsServer):
    async with manager(nats.settings()) as raw:
        await raw.jetstream().publish("mail.accepted.acme", b"body", headers={"Varco-Record": "{}"})
        await raw.jetstream().publish("mail.accepted.acme", b"body")
    good = await bus.mail.append("accepted", record(), b"x")
    async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20) as consumer:
        (one,) = await take(consumer, 1)
        assert one.sequence == good
        await one.park("I can't bear it")
        parked = [each.event for each in await first(bus, 3, "events.parked.>")]
        assert {(e.stream, e.sequence) for e in parked if isinstance(e, RecordParked)} == {
            ("MAIL", 1),
            ("MAIL", 2),
            ("MAIL", 3),
        }
        await pending_becomes(consumer, 0)


async def test_a_deleted_consumer_begins_anew(bus: Bus):
    sequence = await bus.mail.append("accepted", record(), b"x")
    await bus.mail.delete_consumer("d")  # there is none yet
    for _ in range(2):
        async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20) as consumer:
            (one,) = await take(consumer, 1)
            assert (one.sequence, one.deliveries) == (sequence, 1)
            await one.ack()
        await bus.mail.delete_consumer("d")


async def test_a_deleted_consumer_is_made_again(bus: Bus):
    async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20) as consumer:
        await bus.mail.append("accepted", record(), b"x")
        await (await take(consumer, 1))[0].ack()
        await bus.mail.delete_consumer("d")
        assert await take(consumer, 1)


@pytest.mark.parametrize("url", ["localhost", "nats://host", "nats://host:port", "http://h:1"])
def test_a_broken_address_is_refused(url: str):
    with pytest.raises(ValueError, match="nats://host:port"):
        _ = BusSettings(url=url).servers
