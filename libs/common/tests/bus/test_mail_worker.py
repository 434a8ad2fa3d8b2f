"""MailWorker: what the bus hears of each outcome, what is bounded, and how the work ends."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest

from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import ended
from varco_common.bus import Bus, DurableConsumer, MailReturned, MailWorker
from varco_common.bus.jetstream import ApiError
from varco_common.events import RecordParked
from varco_common.testing.samples import record
from varco_common.testing.waiting import eventually

from .test_events import first

SHORT = 0.05  # seconds before a mail is tried again


@asynccontextmanager
async def working(bus: Bus, handle, *, in_flight=10, max_bytes=1 << 20, ack_wait=60.0, grace=5.0):
    """A worker that runs inside the block, and drains at its end. Yields its consumer and task."""
    async with bus.mail.consume(
        "d", "mail.accepted.*", in_flight=in_flight, max_bytes=max_bytes, ack_wait=ack_wait
    ) as consumer:
        task = asyncio.create_task(MailWorker(consumer, handle, grace=grace, retry_seconds=SHORT).run())
        try:
            yield consumer, task
        finally:
            await ended(task)


async def append(bus: Bus, count: int = 1, size: int = 1) -> list[int]:
    return [await bus.mail.append("accepted", record(bytes(size)), bytes(size)) for _ in range(count)]


async def is_finished(consumer: DurableConsumer) -> bool:
    with contextlib.suppress(ApiError):  # the consumer is not made yet
        return await consumer.pending() == 0
    return False


class Handler:
    """Counts what it gets; mails wait in it until `go` is set."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.sequences, self.ended = list(errors), [], []
        self.running = self.peak = 0
        self.go = asyncio.Event()

    async def __call__(self, delivery) -> None:
        self.sequences.append(delivery.sequence)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        if self.errors:
            raise self.errors.pop(0)
        self.ended.append(delivery.sequence)


async def test_a_mail_is_acknowledged_after_its_handler_and_not_before(bus: Bus):
    handler = Handler()
    (sequence,) = await append(bus)
    async with working(bus, handler) as (consumer, _):
        await eventually(lambda: handler.running)
        assert await consumer.pending() == 1
        assert consumer.oldest() is not None
        handler.go.set()
        await eventually(lambda: is_finished(consumer))
        assert consumer.oldest() is None
    assert handler.ended == [sequence]


async def test_at_most_in_flight_mails_are_handled_at_once(bus: Bus):
    handler = Handler()
    sequences = await append(bus, 12)
    async with working(bus, handler, in_flight=3) as (consumer, _):
        await eventually(lambda: handler.running == 3)
        handler.go.set()
        await eventually(lambda: is_finished(consumer))
    assert handler.peak == 3
    assert sorted(handler.ended) == sequences


async def test_large_mails_are_bounded_by_their_bytes(bus: Bus):
    handler = Handler()
    sequences = await append(bus, 8, size=900_000)  # one pull may always bring the largest mail that there can be
    async with working(bus, handler, in_flight=8, max_bytes=1 << 20) as (consumer, _):
        await eventually(lambda: handler.running)
        handler.go.set()
        await eventually(lambda: is_finished(consumer))
    assert handler.peak < 8
    assert sorted(handler.ended) == sequences


@pytest.mark.parametrize("error", [TransientError("away"), ZeroDivisionError("a bug"), MailReturned("not begun")])
async def test_a_mail_whose_handler_fails_comes_again_and_costs_no_other_one(bus: Bus, error):
    handler = Handler(error)
    handler.go.set()
    one, two = await append(bus, 2)
    async with working(bus, handler) as (consumer, _):
        await eventually(lambda: len(handler.sequences) == 3)
        await eventually(lambda: is_finished(consumer))
    assert sorted(handler.ended) == [one, two]
    assert len(handler.sequences) == 3


async def test_a_transient_error_delays_and_a_bug_delays_for_longer(bus: Bus):
    starts = []

    async def handle(delivery):
        starts.append(asyncio.get_running_loop().time())
        if len(starts) == 1:
            raise TransientError("away")
        if len(starts) == 2:
            raise ZeroDivisionError("a bug")

    await append(bus)
    async with working(bus, handle) as (consumer, _):
        await eventually(lambda: len(starts) == 3)
        await eventually(lambda: is_finished(consumer))
    assert starts[1] - starts[0] >= SHORT
    assert starts[2] - starts[1] >= SHORT * 10


async def test_a_poisonous_mail_is_parked_with_an_event_and_stays_in_the_stream(bus: Bus):
    handler = Handler(PoisonError("cannot be read"))
    handler.go.set()
    (sequence,) = await append(bus)
    async with working(bus, handler) as (consumer, _):
        (stored,) = await first(bus, 1, RecordParked.subject_filter())
        await eventually(lambda: is_finished(consumer))
    assert (stored.event.sequence, stored.event.consumer, stored.event.why) == (sequence, "d", "cannot be read")
    assert handler.sequences == [sequence]
    assert (await bus.mail.get(sequence)).sequence == sequence


async def test_a_mail_that_takes_longer_than_the_ack_wait_goes_to_no_other_process(bus: Bus, nats):
    slow, other = Handler(), Handler()
    (sequence,) = await append(bus)
    async with working(bus, slow, ack_wait=0.6) as (consumer, _):
        await eventually(lambda: slow.running)
        async with Bus.connect(nats.settings(), "other") as second, working(second, other, ack_wait=0.6):
            with contextlib.suppress(TimeoutError):
                await eventually(lambda: other.sequences, seconds=2)  # several ack waits
        slow.go.set()
        await eventually(lambda: is_finished(consumer))
    assert (slow.sequences, other.sequences) == ([sequence], [])


async def test_at_the_end_mails_in_hand_are_finished_and_no_other_one_is_begun(bus: Bus):
    handler, later = Handler(), Handler()
    sequences = await append(bus, 6)
    async with working(bus, handler, in_flight=2) as (_, task):
        await eventually(lambda: handler.running == 2)
        task.cancel()
        await asyncio.sleep(0)
        handler.go.set()
    assert handler.ended == handler.sequences == sequences[:2]
    later.go.set()
    async with working(bus, later) as (consumer, _):
        await eventually(lambda: is_finished(consumer))
    assert sorted(later.sequences) == sequences[2:]


async def test_a_handler_that_outlasts_the_grace_is_cancelled_and_its_mail_comes_again_at_once(bus: Bus):
    handler, later = Handler(), Handler()
    sequences = await append(bus)
    async with working(bus, handler, grace=0.1):
        await eventually(lambda: handler.running)
    assert (handler.running, handler.ended) == (0, [])
    later.go.set()
    async with working(bus, later) as (consumer, _):  # long before the ack wait of 60 s
        await eventually(lambda: is_finished(consumer))
    assert later.ended == sequences


async def test_a_mail_that_only_waits_goes_back_at_the_end_without_the_grace(bus: Bus):
    begun, later = asyncio.Event(), Handler()

    async def wait_for_a_route(delivery):
        begun.set()
        with delivery.waiting():
            await asyncio.Event().wait()

    sequences = await append(bus)
    async with asyncio.timeout(60), working(bus, wait_for_a_route, grace=600):
        await begun.wait()
    later.go.set()
    async with working(bus, later) as (consumer, _):
        await eventually(lambda: is_finished(consumer))
    assert later.ended == sequences


async def test_a_mail_that_would_wait_while_the_worker_ends_goes_back_at_once(bus: Bus):
    handler = Handler()
    waited = []

    async def attempt_then_wait(delivery):
        await handler(delivery)
        with delivery.waiting():
            waited.append(delivery)

    await append(bus)
    async with working(bus, attempt_then_wait) as (consumer, task):
        await eventually(lambda: handler.running)
        task.cancel()
        await eventually(lambda: consumer.paused)
        handler.go.set()
        await asyncio.wait([task])
        assert await consumer.pending() == 1
    assert waited == []


async def test_a_batch_has_what_came_together_up_to_its_limit(bus: Bus):
    sequences = await append(bus, 5)
    async with bus.mail.consume("d", "mail.>", in_flight=10, max_bytes=1 << 20) as consumer:
        found = []
        while len(found) < 5:
            batch = await consumer.batch(3)
            assert 1 <= len(batch) <= 3
            found += [delivery.sequence for delivery in batch]
        assert found == sequences
