"""What archive says that it still needs of MAIL."""

import asyncio
import sqlite3
from contextlib import closing

from varco_archive.app import NAME
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_common.testing.waiting import eventually

from .conftest import SECTION, copies, switch_on
from .test_mailbox import fetch_all


async def asked(gate, *sequences: int, subject: str = "mail.accepted.acme") -> RetentionAnswer:
    return await retention.ask(gate.bus, NAME, RetentionQuery(subject=subject, sequences=sequences), 5)


async def acknowledged(gate, sequence: int) -> None:
    async def so() -> bool:
        return await gate.bus.mail.acknowledged(NAME) >= sequence

    await eventually(so)


async def test_copies_in_a_mailbox_are_needed_and_those_taken_out_are_to_be_wiped(gate):
    async with gate.archive() as http:
        await gate.mail()  # before it was turned on: no copy
        await switch_on(http)
        for _ in range(2):
            await gate.mail()
        await copies(http, 2)
        await acknowledged(gate, gate.last)
        assert await asked(gate, 1, 2, 3, 9) == RetentionAnswer(needed=(2, 3, 9))
        assert await asked(gate, 1, 2, subject="mail.dsn.acme") == RetentionAnswer(needed=())
        await asyncio.to_thread(fetch_all, gate, delete=True)
        assert await asked(gate, 1, 2, 3) == RetentionAnswer(needed=(), wiped=(2, 3))


async def test_copies_whose_time_is_over_are_to_be_wiped(gate):
    async with gate.archive() as http:
        await switch_on(http, **SECTION | {"keep": "1 hour"})
        await gate.mail()
        await copies(http, 1)
        await acknowledged(gate, gate.last)
    with closing(sqlite3.connect(gate.home / "data" / "archive.sqlite")) as database, database:
        database.execute("UPDATE copies SET arrived_ms = arrived_ms - 3700000")
    async with gate.archive() as http:
        await copies(http, 0)
        assert await asked(gate, 1) == RetentionAnswer(needed=(), wiped=(1,))


async def test_a_copy_that_is_to_be_forwarded_is_needed_until_it_is(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", senders_told="HR")
        await gate.mail()

        async def free() -> bool:
            return await asked(gate, gate.last) == RetentionAnswer(needed=())

        await eventually(free)
        assert await gate.bus.mail.last_sequence("mail.copy.acme") > gate.last


async def test_a_lost_index_needs_everything_until_it_is_made_anew(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        await acknowledged(gate, gate.last)
    with closing(sqlite3.connect(gate.home / "data" / "archive.sqlite")) as database, database:
        database.execute("DELETE FROM copies")
        database.execute("DELETE FROM marks")
    async with gate.archive() as http:
        assert 1 in (await asked(gate, 1)).needed
        await copies(http, 1)
        assert (await asked(gate, 1)).needed == (1,)


async def test_a_forwarded_copy_is_not_forwarded_again_by_an_index_that_was_lost(gate):
    async with gate.archive() as http:
        await switch_on(http, **SECTION | {"forward": "boss@acme.example"})
        await gate.mail()
        await copies(http, 1)
        forwarded = int(str(await eventually(lambda: gate.bus.mail.last_sequence("mail.copy.acme"))))
        await eventually(lambda: gate.bus.events.last_sequence("events.archive.copy-forwarded.*"))
    await gate.bus.admin.erase(forwarded, overwrite=False)  # relay has delivered it
    await gate.nats.restart()  # and now the bus knows nothing of it any more
    (gate.home / "data" / "archive.sqlite").unlink()
    async with gate.archive() as http:
        await copies(http, 1)
        await acknowledged(gate, 1)
        mail = await gate.mail()
        await copies(http, 2)
        found = await eventually(lambda: gate.bus.mail.last_sequence("mail.copy.acme"))

        async def forwarded_mails() -> list[str]:  # each is stated after its copy is in MAIL
            return [event.mail for event in await gate.events("events.archive.copy-forwarded.*")][1:]

        await eventually(forwarded_mails)
        assert await forwarded_mails() == [mail]
        assert (await gate.bus.mail.bounds())[1] == found == forwarded + 2
