"""EVENTS: appends that expect something, and follows that see everything."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from varco_common.base.errors import ConflictError
from varco_common.bus import Bus, StoredEvent, UnreadableEvent
from varco_common.bus.connection import NatsConnection
from varco_common.bus.ordered_consumer import BATCH
from varco_common.bus.streams import manager
from varco_common.events import AccountClosed, AnyEvent, RecordParked, SenderAuthorised, encode_event
from varco_common.eventsourcing.rebuild.event_reader import read_events
from varco_common.testing import NatsServer
from varco_common.testing.diversion import divert
from varco_common.testing.samples import failed
from varco_common.testing.waiting import eventually


async def first(bus: Bus, count: int, *filters: str, after: int = 0) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    async with asyncio.timeout(60), aclosing(bus.events.follow(*filters, after=after)) as stored:
        async for one in stored:
            found += [one] if isinstance(one, StoredEvent) else []
            if len(found) == count:
                break
    return found


async def test_an_event_comes_back_as_it_was_appended(bus: Bus):
    sequence = await bus.events.append(failed(1))
    (one,) = await first(bus, 1, "events.>")
    assert (one.sequence, one.event) == (sequence, failed(1))


async def test_a_follower_begins_after_the_sequence_that_it_names_and_sees_its_filters_only(bus: Bus):
    hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    sequences = [await bus.events.append(failed(n, host)) for n, host in enumerate(hosts * 2)]
    found = await first(bus, 3, "events.*.*.192%2e0%2e2%2e1", "events.*.*.192%2e0%2e2%2e3", after=sequences[0])
    assert [one.sequence for one in found] == [sequences[2], sequences[3], sequences[5]]


async def test_an_append_that_expects_another_sequence_conflicts_and_stores_nothing(bus: Bus):
    sequence = await bus.events.append(failed(1), expect=0)
    with pytest.raises(ConflictError):
        await bus.events.append(failed(2), expect=0)
    with pytest.raises(ConflictError):
        await bus.events.append(failed(2, "192.0.2.9"), expect=0, expect_subject="events.ingress-smtp.>")
    assert await bus.events.append(failed(3), expect=sequence, expect_subject="events.ingress-smtp.>") == sequence + 1


async def test_of_conflicting_appends_exactly_one_wins(bus: Bus):
    attempts = [bus.events.append(failed(n), expect=0) for n in range(20)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["ConflictError"] * 19 + ["int"]
    assert len([r for r in results if isinstance(r, int)]) == await bus.events.last_sequence("events.>") == 1


async def test_the_same_name_is_stored_once(bus: Bus):
    assert await bus.events.append(failed(1), once="x") == await bus.events.append(failed(1), once="x")


async def test_until_is_the_last_of_any_filter_and_0_where_nothing_matches(bus: Bus):
    assert await bus.events.last_sequence("events.policy.>") == 0
    sequences = [await bus.events.append(failed(n, f"192.0.2.{n}")) for n in range(3)]
    assert await bus.events.last_sequence("events.*.*.192%2e0%2e2%2e0", "events.*.*.192%2e0%2e2%2e1") == sequences[1]
    assert await bus.events.last_sequence("events.>") == sequences[2]


async def test_nobody_speaks_in_anothers_name(bus: Bus, nats: NatsServer):
    """filelink may publish under `events.filelink.` alone, and policy follows some of that: it
    takes no senders from there.
    """
    forged = SenderAuthorised(at=datetime.now(UTC), account="acme", by="admin", pattern="@evil.example")
    async with manager(nats.settings()) as raw:
        await raw.jetstream().publish("events.filelink.filelink-chosen.acme", encode_event(forged))
    await bus.events.append(forged)
    (one,) = await first(bus, 1, "events.filelink.>", "events.policy.>")
    assert one.sequence == 2
    async with aclosing(bus.events.read("events.filelink.>", after=0, last=2)) as found:
        assert [type(one) async for one in found] == [UnreadableEvent]
    (parked,) = await first(bus, 1, "events.parked.>")
    assert isinstance(parked.event, RecordParked)
    assert parked.event.why == "SenderAuthorised isn't said at events.filelink.filelink-chosen.acme"


async def test_nobody_parks_in_anothers_name(bus: Bus, nats: NatsServer):
    forged = RecordParked(at=datetime.now(UTC), service="relay", stream="MAIL", sequence=1, why="no")
    async with manager(nats.settings()) as raw:
        await raw.jetstream().publish("events.parked.record-parked.filelink", encode_event(forged))
    await bus.events.append(forged)
    assert [one.sequence for one in await first(bus, 1, "events.parked.record-parked.>")] == [2]
    async with aclosing(read_events(bus, "events.parked.>", until=2)) as found:
        assert [sequence async for sequence, _ in found] == [2]
    (parked,) = await first(bus, 1, "events.parked.record-parked.test")
    assert isinstance(parked.event, RecordParked)
    assert parked.event.why == "RecordParked isn't said at events.parked.record-parked.filelink"


async def test_an_event_that_cannot_be_decoded_is_parked_and_passed_by(bus: Bus, nats: NatsServer):
    async with manager(nats.settings()) as raw:
        await raw.jetstream().publish("events.future.thing-happened.x", b'{"type":"thing.happened.v9"}')
        await raw.jetstream().publish("events.future.thing-happened.x", b"\xff not even JSON")
    good = await bus.events.append(failed(1))
    assert [one.sequence for one in await first(bus, 1, "events.ingress-smtp.>", "events.future.>")] == [good]
    parked: list[AnyEvent] = [one.event for one in await first(bus, 2, "events.parked.>")]
    assert [(e.service, e.stream, e.sequence) for e in parked if isinstance(e, RecordParked)] == [
        ("test", "EVENTS", 1),
        ("test", "EVENTS", 2),
    ]


@pytest.mark.parametrize("payload", [b"\xff", b'{"type":"thing.happened.v9"}', encode_event(failed(1))])
async def test_a_follower_learns_that_it_passed_a_message_that_is_no_event(bus: Bus, nats: NatsServer, payload: bytes):
    """Else whoever waits for the sequence of the last message would wait for ever."""
    await divert(nats, failed(1).subject, payload)
    last = await bus.events.last_sequence("events.ingress-smtp.>")
    async with asyncio.timeout(60), aclosing(bus.events.follow("events.ingress-smtp.>")) as stored:
        passed = await anext(stored)
    assert (passed.sequence, passed.event) == (last, None)
    assert [one.sequence for one in await first(bus, 1, "events.parked.>")] == [last + 1]


async def test_an_event_that_is_nested_without_end_is_parked_like_any_other(bus: Bus, nats: NatsServer):
    deep = encode_event(failed(1))[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    async with manager(nats.settings()) as raw:
        await raw.jetstream().publish(failed(1).subject, deep)
    good = await bus.events.append(failed(2))
    assert [one.sequence for one in await first(bus, 1, "events.ingress-smtp.>")] == [good]
    (parked,) = await first(bus, 1, "events.parked.>")
    assert parked.event.why == "nested too deeply"


async def test_a_diverted_answer_is_never_the_last_event_of_a_service(bus: Bus, nats: NatsServer):
    await bus.events.append(failed(1))
    await divert(nats, failed(2).subject, encode_event(failed(2)))
    newest = await bus.events.last_sequence("events.ingress-smtp.>")
    assert await bus.events.last("events.ingress-smtp.>") == (newest, encode_event(failed(1)))
    await bus.events.append(failed(3), expect=newest)


async def test_a_diverted_answer_is_read_at_its_own_place_as_nobody_s(bus: Bus, nats: NatsServer):
    await divert(nats, failed(2).subject, b"x")
    raw = await bus.events.get(2)
    assert (raw.sequence, raw.subject, raw.own) == (2, failed(2).subject, False)


async def test_where_only_diverted_answers_are_no_event_is_the_last(bus: Bus, nats: NatsServer):
    await divert(nats, failed(2).subject, encode_event(failed(2)))
    assert await bus.events.last("events.ingress-smtp.>") == (2, b"")


async def test_a_listener_hears_the_subject_of_what_passes_by(bus: Bus):
    heard: list[str] = []
    bus.events.listen("events.policy.*.*", callback=heard.append)
    closed = AccountClosed(at=failed(1).at, account="acme")
    await bus.events.append(closed)
    await eventually(lambda: heard == [closed.subject])


async def test_several_filters_come_in_one_order_while_others_append(bus: Bus):
    """Events of four subjects, appended at once from before the follower began until after."""
    kinds = [f"events.ingress-smtp.kind-{n}.acme" for n in range(4)]

    async def append(subject: str, count: int) -> None:
        for _ in range(count):
            await bus.events.append_encoded(
                [(subject, encode_event(failed(1)))], expect=0, expect_subject="events.none.x.y"
            )

    await asyncio.gather(*(append(subject, 150) for subject in kinds))
    appending = asyncio.gather(*(append(subject, 150) for subject in kinds[:-1]))
    read = 4 * 150 + 3 * 150
    filters = [subject.replace("acme", "*") for subject in kinds]
    async with asyncio.timeout(60), aclosing(bus.events.follow_raw(*filters)) as events:
        sequences = [(await anext(events)).sequence for _ in range(read)]
    await appending
    assert sequences == list(range(1, read + 1))


async def test_a_filter_that_brings_nothing_holds_nothing_up(bus: Bus):
    await bus.events.append(failed(1))
    filters = ("events.ingress-smtp.*.*", "events.policy.*.*", "events.relay.*.*")
    assert [stored.sequence async for stored in bus.events.read(*filters, after=0, last=1)] == [1]


async def test_the_last_sequence_is_asked_without_storing_anything(bus: Bus):
    last = await bus.events.append(failed(1))
    assert await bus.events.last_sequence("events.ingress-smtp.*.*") == last
    assert await bus.events.last_sequence("events.policy.*.*") == 0
    assert await bus.events.last_sequence("events.>") == last


async def test_a_long_history_is_followed_in_order_and_its_consumer_is_deleted(bus: Bus, nats: NatsServer):
    await asyncio.gather(*(bus.events.append(failed(n)) for n in range(1_500)))
    found = await first(bus, 1_500, "events.>")
    assert [one.sequence for one in found] == list(range(1, 1_501))
    async with manager(nats.settings()) as raw:
        assert (await raw.jetstream().stream_info("EVENTS")).state.consumer_count == 0


async def test_a_follower_asks_for_each_batch_once(bus: Bus, nats: NatsServer):
    """What ends one pull must not be taken for the end of the next: else pulls pile up until the
    server gives up on us.
    """
    asked: list[bytes] = []
    count, last, event = 20 * BATCH, 0, encode_event(failed(1))
    for _ in range(count // BATCH):
        batch = [(failed(1).subject, event)] * BATCH
        last = await bus.events.append_encoded(batch, expect=last, expect_subject=failed(1).subject)
    async with NatsConnection.open(nats.settings(), "watcher") as watcher:
        watcher.subscribe("$JS.API.CONSUMER.MSG.NEXT.EVENTS.>", lambda subject, *_: asked.append(subject))
        await watcher.settled()
        async with aclosing(bus.events.follow_raw("events.>")) as events:
            async for raw in events:
                if raw.sequence == last:
                    break
        await eventually(lambda: len(asked) >= count // BATCH)
    assert len(asked) <= count // BATCH + 1
