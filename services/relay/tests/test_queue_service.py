"""Commands for many mails at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from varco_common.bus import Bus
from varco_common.events import Failure, MailDeferred, MailDelivered, MailDropped, MailHeld, MailRetryRequested
from varco_common.eventsourcing.projection import Projection
from varco_common.storage import database
from varco_relay.commands import drop_mail, retry_unless_held
from varco_relay.model import queue
from varco_relay.model.queue import QueuedMail
from varco_relay.queue_service import QueueService

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
FAILURE = Failure(recipient="bob@x.example", status="4.7.1", answer="451 4.7.1 greylisted")


def of_mail(mail: str, sequence: int) -> dict[str, object]:
    return {"at": AT, "account": "acme", "mail": mail, "sequence": sequence, "host": "mx:25", "attempt": 2}


@asynccontextmanager
async def two_waiting(bus: Bus, folder: Path) -> AsyncIterator[tuple[Projection[QueuedMail], QueueService]]:
    """The queue with the mails "first" and "second"."""
    url = f"sqlite+aiosqlite:///{folder}/relay.sqlite"
    async with database.connect(url, "relay") as engine:
        await database.migrate(engine, "varco_relay")
        projection = Projection(queue.PROJECTION, bus, engine, "relay")
        async with projection.following():
            wait = {"failures": (FAILURE,), "sender": "a@acme.example", "size": 9, "accepted_at": AT, "next_at": AT}
            for sequence, mail in enumerate(("first", "second"), 1):
                last = await bus.events.append(MailDeferred(**of_mail(mail, sequence), **wait))
            await projection.reached(last, 60)
            yield projection, QueueService(bus, projection)


async def test_what_was_delivered_since_the_command_began_is_not_dropped(bus: Bus, tmp_path):
    async with two_waiting(bus, tmp_path) as (projection, service):
        mails = [*service.mails("acme")]
        assert len(mails) == 2
        delivered = MailDelivered(**of_mail("first", 1), recipients=("bob@x.example",), answer="250 OK")
        await projection.reached(await bus.events.append(delivered), 60)
        assert await service.execute_all(drop_mail, mails, by="anna", reason="stolen") == 1
    events = [stored.event async for stored in bus.events.read(MailDropped.subject_filter())]
    assert [event.mail for event in events] == ["second"]


async def test_what_was_held_since_the_command_began_is_not_retried_and_stops_no_other(bus: Bus, tmp_path):
    async with two_waiting(bus, tmp_path) as (projection, service):
        mails = [*service.mails("acme")]
        held = MailHeld(at=AT, account="acme", mail="first", sequence=1)
        await projection.reached(await bus.events.append(held), 60)
        assert await service.execute_all(retry_unless_held, mails, by="anna", reason="") == 1
    events = [stored.event async for stored in bus.events.read(MailRetryRequested.subject_filter())]
    assert [event.mail for event in events] == ["second"]
