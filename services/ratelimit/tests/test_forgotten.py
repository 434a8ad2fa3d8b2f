"""What MAIL has forgotten counts all the same: EVENTS has its record."""

import signal
from datetime import UTC, datetime

from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.bus.connection import NatsConnection
from varco_common.events import MailRecorded
from varco_common.mail.replies import Reply

from .conftest import ballot, record

PER_DAY = {"limit": 4, "per": "1 day"}


async def forgotten(bus: Bus, sequence: int) -> None:
    """Written down, then erased, as audit does it."""
    mail = await bus.mail.get(sequence)
    event = MailRecorded(
        at=datetime.now(UTC), sequence=sequence, kind="accepted", stored_at=mail.at, record=mail.record
    )
    await bus.events.append(event)
    await bus.admin.erase(sequence, overwrite=False)


async def test_without_a_database_it_counts_what_mail_has_forgotten(start, tmp_path):
    async with start() as gate:
        await gate.quotas(messages=PER_DAY, first_time_recipients=1)
        assert [await gate.send(ballot()) for _ in range(3)] == [Reply.ACCEPTED] * 3
        for sequence in (1, 2):
            await forgotten(gate.bus, sequence)
    (tmp_path / "data" / "ratelimit.sqlite").unlink()
    async with start() as gate:
        assert await gate.used() == 3
        assert (await gate.sender())["day"]["recipients"] == 3
        assert [await gate.send(ballot()) for _ in range(2)] == [Reply.ACCEPTED, Reply.QUOTA_EXCEEDED]
        assert await gate.send(ballot("alice@acme.example", "new@dest.example")) is not Reply.ACCEPTED


async def test_a_mail_stream_that_is_empty_makes_no_stranger_of_its_database(start):
    async with start() as gate:
        await gate.quotas(messages=PER_DAY)
        sent = [ballot() for _ in range(3)]
        assert [await gate.send(one) for one in sent] == [Reply.ACCEPTED] * 3
        await gate.counted(3)
        for sequence in (1, 2, 3):
            await forgotten(gate.bus, sequence)
    async with start() as gate:
        assert await gate.used() == 3
        assert [one["mail"] for one in (await gate.sender())["mails"]] == [one.envelope.id for one in reversed(sent)]
        assert [await gate.send(ballot()) for _ in range(2)] == [Reply.ACCEPTED, Reply.QUOTA_EXCEEDED]


async def test_a_start_that_has_counted_all_of_mail_reads_no_recorded_mail(start, nats):
    async with start() as gate:
        await gate.quotas(messages=PER_DAY)
        assert await gate.send(ballot()) is Reply.ACCEPTED
        await gate.counted(1)
        await forgotten(gate.bus, 1)
    asked: list[bytes] = []
    async with NatsConnection.open(nats.settings(), "watcher") as watcher:
        watcher.subscribe("$JS.API.CONSUMER.CREATE.EVENTS.>", lambda subject, *_: asked.append(subject))
        await watcher.settled()
        async with start() as gate:
            assert await gate.used() == 1
        await watcher.settled()
    assert any(b"mail-refused" in subject for subject in asked)
    assert not any(b"mail-recorded" in subject for subject in asked)


async def test_what_was_forgotten_while_a_process_was_away_from_the_bus_counts(processes, nats, bus):
    one, mail = processes(), record(ballot())
    await one.start()
    await one.gate.ready()
    await one.gate.quotas(messages=PER_DAY)
    assert await one.gate.send(ballot()) is Reply.ACCEPTED
    await one.gate.counted(1)
    one.process.send_signal(signal.SIGSTOP)
    try:
        await nats.restart()  # the connection of the process is gone, and it makes no new one yet
        await forgotten(bus, await retry_until_available(lambda: bus.mail.append("accepted", mail, b"x\r\n")))
    finally:
        one.process.send_signal(signal.SIGCONT)
    await one.gate.counted(2)


async def test_an_event_of_a_record_that_mail_never_had_leaves_no_mail_uncounted(start, tmp_path):
    async with start() as gate:
        await gate.quotas(messages=PER_DAY)
        assert await gate.send(ballot()) is Reply.ACCEPTED
        await forgotten(gate.bus, 1)
        now = datetime.now(UTC)
        mail = record(ballot("carol@acme.example"))
        never = MailRecorded(at=now, sequence=2**62, kind="accepted", stored_at=now, record=mail)
        await gate.bus.events.append(never)
        assert await gate.send(ballot()) is Reply.ACCEPTED
        await forgotten(gate.bus, 2)
    (tmp_path / "data" / "ratelimit.sqlite").unlink()
    async with start() as gate:
        assert await gate.used() == 2
        assert [await gate.send(ballot()) for _ in range(3)] == [Reply.ACCEPTED] * 2 + [Reply.QUOTA_EXCEEDED]
        await gate.counted(4)
