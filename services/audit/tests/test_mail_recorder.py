"""Each record of MAIL is once in EVENTS, in order, whatever is killed meanwhile."""

import asyncio
import time
from contextlib import AsyncExitStack, aclosing

import pytest

from varco_audit.batches import BatchLimits
from varco_audit.recording.mail_recorder import MailRecorder
from varco_audit.recording.recorded_position import RECORDED, RECORDS
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import RecordParked
from varco_common.events.audit import encode_recorded
from varco_common.testing.diversion import divert
from varco_common.testing.waiting import eventually

AT = "2026-11-24T09:00:00Z"


def recorder(bus: Bus, linger: float = 0.0, batch: int = 250) -> MailRecorder:
    return MailRecorder(bus, BatchLimits(batch, 1 << 22, linger))


async def recorded(gate) -> list[int]:
    return [stored.event.sequence for stored in await gate.events(RECORDED)]


async def all_recorded(gate, seconds: float = 30.0) -> None:
    last = await gate.bus.mail.last_sequence(RECORDS)

    async def done() -> bool:
        return (await recorded(gate))[-1:] == [last]

    await eventually(done, seconds)


async def test_each_kind_of_record_is_written_down_as_it_is(gate):
    for kind in ("accepted", "convert", "copy", "dsn"):
        await gate.mail(kind=kind, message_id=f"<{kind}@acme.example>")
    async with run_in_background(recorder(gate.bus).run()):
        await all_recorded(gate)
    events = [stored.event for stored in await gate.events(RECORDED)]
    assert [event.kind for event in events] == ["accepted", "convert", "copy", "dsn"]
    for event in events:
        stored = await gate.bus.mail.get(event.sequence)
        assert event.record == stored.record
        assert abs((event.stored_at - stored.at).total_seconds()) < 0.002
        assert event.subject == "events.audit.mail-recorded.acme"


async def test_a_recorder_that_is_killed_again_and_again_loses_and_repeats_nothing(gate):
    total = 1_500

    async def accept() -> None:
        for _ in range(total // 50):
            await asyncio.gather(*(gate.mail() for _ in range(50)))

    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(accept())
        kills = 0
        while not accepting.done() or kills < 3:
            async with gate.process():
                before = len(await recorded(gate))

                async def more(before: int = before) -> bool:
                    return len(await recorded(gate)) >= min(before + 60, total)

                await eventually(more, 30)
            kills += 1  # leaving the block is a SIGKILL, in the middle of whatever it did
    async with gate.audit():
        await all_recorded(gate)
    assert await recorded(gate) == list(range(1, total + 1))


async def test_two_recorders_at_once_write_each_record_once(gate):
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(Bus.connect(gate.nats.settings(), "test"))
        await stack.enter_async_context(
            run_in_background(recorder(gate.bus, batch=7).run(), recorder(other, batch=5).run())
        )
        for _ in range(20):
            await asyncio.gather(*(gate.mail() for _ in range(15)))
        await all_recorded(gate)
    assert await recorded(gate) == list(range(1, 301))


async def test_a_killed_bus_repeats_nothing(gate):
    async with run_in_background(recorder(gate.bus, batch=10).run()):
        for _ in range(3):
            await asyncio.gather(*(gate.mail() for _ in range(100)))
            await gate.nats.restart()
        await all_recorded(gate)
    assert await recorded(gate) == list(range(1, 301))


async def test_what_is_no_record_is_parked_and_what_follows_is_written(gate):
    await gate.mail()
    await gate.publish("mail.accepted.acme", b"no record at all")
    await gate.mail()
    for _ in range(2):  # the second one begins behind it
        async with run_in_background(recorder(gate.bus).run()):
            await all_recorded(gate)
    assert await recorded(gate) == [1, 3]
    (parked,) = [stored.event for stored in await gate.events("events.parked.record-parked.*")]
    assert isinstance(parked, RecordParked)
    assert (parked.stream, parked.sequence) == ("MAIL", 2)


@pytest.mark.parametrize("subject", ["events.audit.mail-recorded.acme", "events.parked.record-parked.audit"])
async def test_a_diverted_answer_makes_it_leave_out_no_mail(gate, nats, subject):
    """It could tell of a later record, or of one that was parked."""
    forged = encode_recorded(at=AT, sequence=9, kind="accepted", stored_at=AT, record=b"{}")
    await gate.mail()
    async with run_in_background(recorder(gate.bus).run()):
        await all_recorded(gate)
    await divert(nats, subject, forged)
    await gate.mail()
    async with run_in_background(recorder(gate.bus).run()):
        await all_recorded(gate)
    assert await recorded(gate) == [1, 2]


async def test_a_lone_mail_is_seen_within_a_tenth_of_a_second(gate):
    async with gate.audit():
        await gate.mail()
        await all_recorded(gate)
        async with aclosing(
            gate.bus.events.follow(RECORDED, after=await gate.bus.events.last_sequence(RECORDED))
        ) as events:
            began = time.perf_counter()
            await gate.mail()
            await anext(events)
        assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize("together", [1, 4, 5, 250])
async def test_any_number_at_once_keeps_the_order(gate, together):
    await asyncio.gather(*(gate.mail() for _ in range(together)))
    async with run_in_background(recorder(gate.bus).run()):
        await all_recorded(gate)
    assert await recorded(gate) == list(range(1, together + 1))


UNUSABLE_EVENTS = {
    "nothing": b"",
    "no JSON": b"\xff\x00",
    "no fields": b"{}",
    "no record of MAIL": b'{"type":"mail.recorded.v1","at":"2026-11-29T14:00:00Z","sequence":4611686018427387904,'
    b'"kind":"accepted","stored_at":"2026-11-29T14:00:00Z","record":{}}',
    "nothing of MAIL parked": b'{"type":"record.parked.v1","at":"2026-11-29T14:00:00Z","service":"audit",'
    b'"stream":"MAIL","sequence":4611686018427387904,"why":"","consumer":""}',
}


@pytest.mark.parametrize("subject", ["events.audit.mail-recorded.acme", "events.parked.record-parked.audit"])
@pytest.mark.parametrize("payload", UNUSABLE_EVENTS.values(), ids=UNUSABLE_EVENTS)
async def test_an_event_of_its_own_that_cannot_be_used_stops_it_at_no_start(gate, subject, payload):
    await gate.mail()
    async with gate.audit():
        await all_recorded(gate)
    await gate.publish(subject, payload)
    await gate.mail()
    async with gate.audit():

        async def both_are_recorded() -> bool:
            return {*await recorded(gate)} >= {1, 2}

        await eventually(both_are_recorded)
    assert (await recorded(gate)).count(2) == 1
