"""MAIL forgets what nobody needs, bodies included; whoever says nothing loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from varco_audit.app import SERVICE
from varco_audit.batches import BatchLimits
from varco_audit.recording.mail_recorder import MailRecorder
from varco_audit.retention.retention_worker import RetentionWorker
from varco_common.base.ids import new_id
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus, MissingMail
from varco_common.bus.event_log import EventLog
from varco_common.bus.permissions import ERASE_MAIL, permissions
from varco_common.bus.stream_admin import StreamAdmin
from varco_common.events import Event, MailErased, RecordParked
from varco_common.events.audit import recorded_sequence
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailConverted
from varco_common.runtime.service import installed
from varco_common.storage import retention
from varco_common.storage.object_store import ObjectStore, open_store
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing.waiting import eventually

Needs = Callable[[RetentionQuery], Iterable[int]]


def recorder(bus: Bus) -> MailRecorder:
    return MailRecorder(bus, BatchLimits(250, 1 << 22, 0.0))


async def recorded(bus: Bus, sequence: int) -> bool:
    """Whether EVENTS has the records of MAIL up to there."""
    _, event = await bus.events.last("events.audit.mail-recorded.*")
    return bool(event) and recorded_sequence(event) >= sequence


@asynccontextmanager
async def worker_of(
    bus: Bus, *voters: str, age: timedelta = timedelta(0), blobs: ObjectStore | None = None
) -> AsyncIterator[RetentionWorker]:
    """A worker that does nothing yet. Without `blobs` its object store is out of reach."""
    store = blobs or open_store(ObjectStoreSettings(endpoint="http://127.0.0.1:9"))
    try:
        yield RetentionWorker(bus, store, voters, age)
    finally:
        await store.close()


@asynccontextmanager
async def working(bus: Bus, *voters: str, **more) -> AsyncIterator[None]:
    """A recorder and a retention worker at work."""
    async with worker_of(bus, *voters, **more) as worker, run_in_background(worker.run(), recorder(bus).run()):
        yield


async def voter(bus: Bus, name: str, needs: Needs, wiped: Needs = lambda _: ()) -> None:
    async def answer(question: RetentionQuery) -> RetentionAnswer:
        return RetentionAnswer(needed=tuple(needs(question)), wiped=tuple(wiped(question)))

    await retention.serve(bus, name, answer)


async def present(bus: Bus, sequences: Iterable[int]) -> list[int]:
    """Those that MAIL still has."""
    found = []
    for sequence in sequences:
        try:
            found.append((await bus.mail.get(sequence)).sequence)
        except MissingMail:
            continue
    return found


async def left(bus: Bus, sequences: Iterable[int], wanted: list[int]) -> None:
    async def so() -> bool:
        return await present(bus, sequences) == wanted

    await eventually(so)


def on_disk(gate, needle: bytes) -> int:
    """How often the bytes stand in the bus's files."""
    return sum(file.read_bytes().count(needle) for file in gate.nats.home.rglob("*.blk"))


async def test_what_nobody_needs_is_gone_and_the_rest_stays(gate):
    for _ in range(6):
        await gate.mail()
    await gate.mail(account="other")
    await voter(gate.bus, "relay", lambda question: {2, 4} & {*question.sequences})
    await voter(gate.bus, "archive", lambda question: {5, 7} & {*question.sequences})
    async with working(gate.bus, "relay", "archive"):
        await left(gate.bus, range(1, 8), [2, 4, 5, 7])
    (event,) = [stored.event for stored in await gate.events("events.audit.mail-erased.*")]
    assert isinstance(event, MailErased)
    assert (event.account, event.kind, event.count) == ("acme", "accepted", 3)
    assert event.ranges == ((1, 1), (3, 3), (6, 6))


async def test_while_a_voter_does_not_answer_nothing_is_erased(gate):
    await gate.mail()
    await voter(gate.bus, "relay", lambda _: ())

    async def broken(question: bytes) -> bytes:
        asked.set()
        return b'{"type":"keeps.v1"}'

    for silent in ("nobody", "raises", "unreadable"):
        asked = asyncio.Event()
        if silent == "raises":
            await voter(gate.bus, silent, lambda _, asked=asked: asked.set() or 1 / 0)
        elif silent == "unreadable":
            await gate.bus.requests.answer(retention.subject(silent), silent, broken)
        async with working(gate.bus, "relay", silent):
            if silent == "nobody":
                await eventually(stalled)
            else:
                async with asyncio.timeout(60):
                    await asked.wait()
        assert await present(gate.bus, [1]) == [1]
        assert await gate.events("events.audit.mail-erased.*") == []


def stalled() -> bool:
    return REGISTRY.get_sample_value("varco_audit_janitor_stalled") == 1


async def test_without_voters_nothing_is_erased(gate):
    await gate.mail()
    async with working(gate.bus):
        await eventually(lambda: gate.bus.events.last_sequence("events.audit.mail-recorded.*"))
        assert await present(gate.bus, [1]) == [1]


async def test_while_a_reader_of_mail_is_not_asked_nothing_is_erased(gate):
    await gate.mail()
    await voter(gate.bus, "relay", lambda _: ())
    async with gate.bus.mail.consume("archive", "mail.*.*", in_flight=1, max_bytes=1 << 20):
        await eventually(gate.bus.admin.durable_consumers)
        async with working(gate.bus, "relay"):
            await eventually(stalled)
            assert await present(gate.bus, [1]) == [1]
    await gate.bus.mail.delete_consumer("archive")
    async with working(gate.bus, "relay"):
        await left(gate.bus, [1], [])


async def test_what_is_not_in_events_yet_stays(gate):
    asked = asyncio.Event()
    await voter(gate.bus, "relay", lambda _: asked.set() or ())
    await gate.mail()
    async with worker_of(gate.bus, "relay") as one, run_in_background(one.follow_mail()):
        await eventually(lambda: len(one.records))
        await one.sweep()
        assert await present(gate.bus, [1]) == [1]
        assert not asked.is_set()


async def test_what_is_young_or_parked_or_no_record_stays(gate):
    await gate.mail()
    await gate.publish("mail.accepted.acme", b"no record")
    await gate.mail()
    parked = RecordParked(at=datetime.now(UTC), service="relay", stream="MAIL", sequence=1, why="body gone")
    await gate.bus.events.append(parked)
    await voter(gate.bus, "relay", lambda _: ())
    async with working(gate.bus, "relay"):
        await eventually(lambda: gate.bus.events.last_sequence("events.audit.mail-erased.*"))
        await left(gate.bus, [1, 3], [1])
    async with working(gate.bus, "relay", age=timedelta(hours=1)):
        await gate.mail()
        await eventually(lambda: gate.bus.events.last_sequence("events.audit.mail-recorded.*"))
        assert await present(gate.bus, [4]) == [4]


async def test_what_is_wiped_leaves_no_byte_on_the_disk(gate):
    await gate.mail(body=b"Subject: x\r\n\r\nNEEDLE one\r\n")
    await gate.mail(body=b"Subject: x\r\n\r\nother\r\n")
    assert on_disk(gate, b"NEEDLE one") == 1
    await voter(gate.bus, "archive", lambda _: {2}, wiped=lambda _: {1})
    async with working(gate.bus, "archive"):
        await eventually(lambda: not on_disk(gate, b"NEEDLE one"))
        await left(gate.bus, [1, 2], [2])


async def test_a_body_in_the_object_store_goes_with_its_last_record(gate, bodies):
    original, shared = await gate.mail(kind="convert", blobs=bodies), new_id()
    envelope = Envelope(
        id=shared, account="acme", sender="a@b.c", recipients=("x@y.z",), host="", received_at=datetime.now(UTC)
    )
    leaving = MailConverted(envelope=envelope, body=BodyReference(size=1, object=original), original=1)
    await gate.bus.mail.append("converted", leaving, b"")
    needed = {1, 2}
    await voter(gate.bus, "relay", lambda _: needed)
    async with working(gate.bus, "relay", blobs=bodies):
        needed.discard(2)  # kept all the same: filelink knows by it that 1 is converted
        needed.discard(1)
        await left(gate.bus, [1, 2], [])
        assert not await bodies.exists(original)


async def test_a_converted_mail_stays_while_its_original_does(gate):
    await gate.mail(kind="convert")
    envelope = Envelope(
        id=new_id(), account="acme", sender="a@b.c", recipients=("x@y.z",), host="", received_at=datetime.now(UTC)
    )
    await gate.bus.mail.append(
        "converted", MailConverted(envelope=envelope, body=BodyReference(size=1), original=1), b"x"
    )
    await gate.mail()
    await voter(gate.bus, "archive", lambda _: {1})
    async with working(gate.bus, "archive"):
        await left(gate.bus, [1, 2, 3], [1, 2])


class Killed(BaseException):
    """Stands for kill -9."""


class Lifetime:
    """Counts the changes of a stream that a process makes before it is killed."""

    def __init__(self) -> None:
        self.left = 0

    def spend(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


class DyingEventLog(EventLog):
    """Dies instead of an append once its lifetime is over."""

    lifetime: Lifetime

    async def append(self, event: Event, **more) -> int:
        self.lifetime.spend()
        return await super().append(event, **more)


class DyingStreamAdmin(StreamAdmin):
    """Dies instead of an erasure once its lifetime is over."""

    lifetime: Lifetime

    async def erase(self, sequence: int, *, overwrite: bool) -> None:
        self.lifetime.spend()
        await super().erase(sequence, overwrite=overwrite)

    async def purge(self, subject: str, before: int) -> int:
        self.lifetime.spend()
        return await super().purge(subject, before)


class DyingBus(Bus):
    """Its process is killed before the `lifetime.left`-th change of a stream."""

    def __init__(self, link, settings) -> None:
        super().__init__(link, settings)
        self.lifetime = Lifetime()
        self.events = DyingEventLog(link, settings.append_timeout_seconds)
        self.admin = DyingStreamAdmin(link, settings.append_timeout_seconds)
        self.events.lifetime = self.admin.lifetime = self.lifetime


async def test_killed_at_any_moment_it_is_gone_on_with(gate):
    """Of one sweep: an event, two records overwritten, one purge, one more record."""

    def of_four(*which: int) -> Needs:
        return lambda question: [one for one in question.sequences if one % 4 in which]

    await voter(gate.bus, "relay", of_four(3), wiped=of_four(1, 2))
    async with run_in_background(recorder(gate.bus).run()), DyingBus.connect(gate.nats.settings(), "audit") as dying:
        for steps in range(6):
            for _ in range(4):
                await gate.mail(account=f"acme{steps}")
            last = (await gate.bus.mail.bounds())[1]
            await eventually(lambda last=last: recorded(gate.bus, last))
            dying.lifetime.left = steps
            async with worker_of(dying, "relay") as one, run_in_background(one.follow_mail(), one.follow_parked()):
                await eventually(lambda one=one, steps=steps: one.records.by_subject.get(f"mail.accepted.acme{steps}"))
                with pytest.raises(Killed) if steps < 5 else nullcontext():
                    await one.sweep()
            async with working(gate.bus, "relay"):
                await left(gate.bus, range(last - 3, last + 1), [last - 1])


async def test_of_two_workers_one_works_and_the_other_takes_over(gate):
    await voter(gate.bus, "relay", lambda _: ())
    async with working(gate.bus, "relay"):
        async with working(gate.bus, "relay"):
            for _ in range(3):
                await gate.mail()
            await left(gate.bus, range(1, 4), [])
        await gate.mail()
        await left(gate.bus, [4], [])
    events = [stored.event for stored in await gate.events("events.audit.mail-erased.*")]
    assert sum(event.count for event in events) == 4


def test_audit_may_erase_and_nobody_else_may():
    for service in installed():
        allowed = permissions(service.name, service.publishes, service.subscribes).publish
        assert {*ERASE_MAIL} <= {*allowed} if service.name == SERVICE.name else not {*ERASE_MAIL} & {*allowed}


def test_every_reader_of_mail_is_asked_but_those_that_only_count():
    readers = {service.name for service in installed() if any(s.startswith("mail.") for s in service.subscribes)}
    voters = {service.name for service in installed() if retention.subject(service.name) in service.subscribes}
    assert readers - voters == {"audit", "ratelimit"}
    assert voters == {"relay", "archive", "filelink"}
