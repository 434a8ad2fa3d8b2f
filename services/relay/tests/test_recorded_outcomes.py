"""Which recipients of a mail that comes again already have an outcome."""

from datetime import UTC, datetime, timedelta

from varco_common.bus import Bus
from varco_common.events import MailDelivered
from varco_relay.recorded_outcomes import RecordedOutcomes


def delivered(sequence: int, recipient: str) -> MailDelivered:
    return MailDelivered(
        at=datetime.now(UTC),
        account="acme",
        mail="m",
        sequence=sequence,
        recipients=(recipient,),
        host="hop",
        answer="250",
    )


async def test_an_outcome_in_events_counts(bus: Bus) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    await bus.events.append(delivered(7, "bob@dest.test"))
    outcomes = RecordedOutcomes(bus, "acme")
    assert await outcomes.recipients(7, began) == {"bob@dest.test"}
    assert await outcomes.recipients(8, began) == set()


async def test_an_outcome_that_was_appended_after_the_events_were_read_counts(bus: Bus) -> None:
    """A mail whose ack the bus lost comes again, and must not be sent a second time."""
    began = datetime.now(UTC) - timedelta(seconds=5)
    outcomes = RecordedOutcomes(bus, "acme")
    assert await outcomes.recipients(7, began) == set()
    await bus.events.append(delivered(7, "bob@dest.test"))
    outcomes.add(7, ["bob@dest.test"])
    assert await outcomes.recipients(7, began) == {"bob@dest.test"}


async def test_after_forget_the_events_are_read_again(bus: Bus) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    outcomes = RecordedOutcomes(bus, "acme")
    assert await outcomes.recipients(7, began) == set()
    await bus.events.append(delivered(7, "bob@dest.test"))
    outcomes.forget()
    assert await outcomes.recipients(7, began) == {"bob@dest.test"}
