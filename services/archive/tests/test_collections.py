"""When a mailbox was last collected: by clients that leave mail on the server, too."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from varco_archive import app
from varco_archive.collections import Collections
from varco_archive.copy_index import CopyIndex
from varco_common.base.errors import TransientError
from varco_common.events import MailboxCollected
from varco_common.storage import database
from varco_common.testing.waiting import eventually

from .conftest import copies, switch_on
from .pop3_client import logged_in
from .test_mailbox import fetch_all


async def collected(http) -> datetime | None:
    at = (await http.get("/accounts/acme/archive/status")).json()["collected"]
    return datetime.fromisoformat(at) if at else None


async def recorded(gate) -> list[MailboxCollected]:
    return await gate.events(MailboxCollected.subject_filter())


async def test_a_client_that_leaves_mail_on_the_server_has_collected_it(gate):
    async with gate.archive() as http:
        await switch_on(http)
        assert await collected(http) is None
        await gate.mail()
        await copies(http, 1)
        begin = datetime.now(UTC) - timedelta(milliseconds=1)  # the index has milliseconds
        assert len(await asyncio.to_thread(fetch_all, gate)) == 1
        first = await collected(http)
        assert first
        assert begin <= first <= datetime.now(UTC)
        await asyncio.to_thread(fetch_all, gate)
        assert await collected(http) > first
        await copies(http, 1)


async def test_a_client_that_finds_nothing_new_has_collected(gate):
    async with gate.archive() as http:
        await switch_on(http)
        async with logged_in(gate) as client:
            assert await client.command("STAT") == "+OK 0 0\r\n"
            assert (await client.command("QUIT")).startswith("+OK")
        assert await collected(http)


async def test_a_client_that_has_its_mail_listed_has_collected_and_a_probe_has_not(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        for probe in ("NOOP", "STAT", "UIDL 1", "LIST 7"):
            async with logged_in(gate) as client:
                assert await client.command(probe)
                assert (await client.command("QUIT")).startswith("+OK")
            assert await collected(http) is None, probe
        async with logged_in(gate) as client:
            assert len(await client.multiline("UIDL")) == 1
            assert (await client.command("QUIT")).startswith("+OK")
        assert await collected(http)


async def test_a_client_that_breaks_off_has_collected_what_it_fetched(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)

        async def in_session() -> bool:
            return (await http.get("/accounts/acme/archive/status")).json()["in_session"]

        async def no_session() -> bool:
            return not await in_session()

        async with logged_in(gate) as client:
            assert (await client.command("UIDL")).startswith("+OK")
            assert await in_session()
        await eventually(no_session)
        assert await collected(http) is None
        async with logged_in(gate) as client:
            await client.multiline("RETR 1")
        await eventually(no_session)
        assert await collected(http)


async def test_a_client_that_gets_none_of_its_mail_has_not_collected(gate, monkeypatch):
    async def unavailable(self, sequence):
        raise TransientError("the object store is away")
        yield b""

    monkeypatch.setattr(app.CopyReader, "read", unavailable)
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        async with logged_in(gate) as client:
            assert (await client.command("RETR 1")).startswith("-ERR")
            assert (await client.command("QUIT")).startswith("+OK")
        assert await collected(http) is None


async def test_a_client_that_polls_makes_one_event_an_hour(gate):
    async with gate.archive() as http:
        await switch_on(http)
        for _ in range(3):
            await asyncio.to_thread(fetch_all, gate)
    (event,) = await recorded(gate)  # what has begun is stored when the service has ended
    assert (event.account, event.by) == ("acme", "pop3:127.0.0.1")


async def test_it_outlives_a_restart_and_the_loss_of_the_index(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await asyncio.to_thread(fetch_all, gate)
        first = await collected(http)
        await asyncio.to_thread(fetch_all, gate)
        last = await collected(http)
    async with gate.archive() as http:
        assert await collected(http) == last
    with closing(sqlite3.connect(gate.home / "data" / "archive.sqlite")) as index, index:
        index.execute("DELETE FROM marks")
    async with gate.archive() as http:
        again = await collected(http)
        assert again
        assert abs(again - first) < timedelta(milliseconds=2), "EVENTS have it to the hour"


async def test_an_earlier_time_does_not_replace_a_later_one(database_url):
    now = datetime(2026, 11, 29, 10, tzinfo=UTC)
    async with database.connect(database_url, "archive") as engine:
        await database.migrate(engine, "varco_archive")
        index = CopyIndex(engine)
        await index.set_collected("acme", now)
        await index.mark_removed("acme", ["0" * 20], 1, collected=now - timedelta(hours=1))
        assert await index.collected("acme") == now
        await index.mark_removed("acme", ["0" * 20], 2, collected=now + timedelta(hours=1))
        assert await index.collected("acme") == now + timedelta(hours=1)


async def test_a_session_ends_well_though_its_time_is_not_stored(bus):
    class AwayIndex:
        async def set_collected(self, account: str, at: datetime) -> None:
            raise TransientError("the database is away")

    events: list[MailboxCollected] = []
    await Collections(bus, AwayIndex(), events.append).note("acme", "192.0.2.44")
    assert [event.by for event in events] == ["pop3:192.0.2.44"]
