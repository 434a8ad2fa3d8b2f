"""What MAIL has forgotten counts all the same: EVENTS has its record."""

from datetime import UTC, datetime

from varco_common.bus import Bus
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


async def test_what_was_forgotten_while_a_process_was_away_from_the_bus_counts(start, nats):
    async with start() as gate:
        await gate.quotas(messages=PER_DAY)
        assert await gate.send(ballot()) is Reply.ACCEPTED
        await gate.counted(1)
        mail = await gate.bus.mail.get(1)
        passed_by = MailRecorded(
            at=datetime.now(UTC), sequence=2, kind="accepted", stored_at=mail.at, record=record(ballot())
        )
        await gate.bus.events.append(passed_by)
        await nats.restart()
        await gate.counted(2)
