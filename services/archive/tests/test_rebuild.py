"""An index that is rebuilt from MAIL and EVENTS has the same mailboxes as the live one."""

import asyncio

import sqlalchemy as sa

from varco_archive.copy_index import CopyIndex
from varco_archive.rebuild import CopiesRebuild
from varco_archive.tables import copies as table
from varco_common.storage import database
from varco_common.testing.waiting import eventually

from .conftest import SECTION, copies, switch_on
from .test_mailbox import fetch_all


async def test_a_rebuilt_index_has_the_same_mailboxes(gate, tmp_path):
    """Mails from before the opening; removed, converted and forwarded ones."""
    async with gate.archive() as http:
        await gate.mail()
        await switch_on(http, **SECTION | {"copy": "sent"})
        await gate.mail()
        await copies(http, 1)
        await asyncio.to_thread(fetch_all, gate, delete=True)
        await switch_on(http, **SECTION | {"copy": "sent", "forward": "boss@acme.example"})
        converted = await gate.mail(kind="convert", subject="converted")
        await gate.convert(converted, b"Subject: converted\r\n\r\nlink\r\n", "acme")
        mails = [converted, await gate.mail(subject="last")]
        await copies(http, 2)
        last = await eventually(lambda: _both_forwarded(gate))

        async def acknowledged() -> bool:
            return await gate.bus.mail.acknowledged("archive") >= last

        await eventually(acknowledged)
    rebuild, sequences = CopiesRebuild(), []
    async with (
        database.connect(f"sqlite+aiosqlite:///{gate.home}/data/archive.sqlite", "archive") as live,
        database.connect(f"sqlite+aiosqlite:///{tmp_path}/fresh.sqlite", "archive") as fresh,
    ):
        await database.migrate(fresh, "varco_archive")
        async with live.connect() as connection:
            until = await rebuild.applied_sequence(gate.bus, connection)
        compared, _ = await rebuild.build(gate.bus, fresh, until, sequences.append)
        columns = [column for column in table.c if column.name not in compared.left_out | compared.near]
        query = sa.select(*columns).where(compared.where).order_by(table.c.mail)
        rows = []
        for engine in (live, fresh):
            async with engine.connect() as connection:
                rows.append([tuple(row) for row in await connection.execute(query)])
        assert rows[0] == rows[1]
        assert {row[columns.index(table.c.mail)] for row in rows[1]} == set(mails)
        assert await CopyIndex(fresh).owed(10) == [], "what was forwarded is not owed again"
    assert sequences[-1] == until


async def _both_forwarded(gate) -> int:
    """The sequence of the second forwarded copy; 0 before there are two."""
    forwarded = await gate.events("events.archive.copy-forwarded.*")
    return await gate.bus.mail.last_sequence("mail.copy.acme") if len(forwarded) == 2 else 0
