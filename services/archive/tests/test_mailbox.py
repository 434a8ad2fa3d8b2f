"""What is copied, what a client sees of it, and what becomes of it when things die."""

import asyncio
import poplib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from varco_common.base.errors import TransientError
from varco_common.base.ids import new_id
from varco_common.events import CopyRemoved, RemovalCause, SendersTold
from varco_common.testing.waiting import eventually

from .conftest import BODY, LOGIN, SECTION, copies, count, switch_on


def fetch_all(gate, *, delete: bool = False, implicit: bool = False) -> list[bytes]:
    """Every copy as a client stores it."""
    with gate.pop(implicit=implicit) as box:
        numbers = [int(line.split()[0]) for line in box.list()[1]]
        found = [b"\r\n".join(box.retr(number)[1]) + b"\r\n" for number in numbers]
        for number in numbers if delete else []:
            box.dele(number)
        box.quit()
    return found


async def test_nothing_is_copied_before_it_is_turned_on(gate):
    async with gate.archive() as http:
        await gate.mail()
        await gate.mail(account="other")
        await switch_on(http)
        mail = await gate.mail()
        await copies(http, 1)
        page = (await http.get("/accounts/acme/archive/copies")).json()["copies"]
        assert [one["mail"] for one in page] == [mail]


async def test_a_client_gets_the_mail_as_it_was_given_with_its_envelope(gate):
    async with gate.archive() as http:
        await switch_on(http)
        mail = await gate.mail("bob@x.example", "hidden@y.example")
        await copies(http, 1)
        expected = (
            f"X-Varco-Mail-Id: {mail}\r\nX-Envelope-From: <alice@acme.example>\r\n"
            "X-Envelope-To: <bob@x.example>,\r\n <hidden@y.example>\r\n"
        ).encode()
        for implicit in (False, True):
            assert await asyncio.to_thread(fetch_all, gate, implicit=implicit) == [
                expected + b"Subject: hello\r\n\r\nhello\r\n.dots\r\n"
            ]


async def test_what_is_deleted_is_gone_at_quit_and_only_then(gate):
    async with gate.archive() as http:
        await switch_on(http)
        for _ in range(3):
            await gate.mail()
        await copies(http, 3)

        def broken_off() -> None:
            with gate.pop() as box:
                box.dele(1)
                assert box.stat()[0] == 2
                box.rset()
                assert box.stat()[0] == 3
                box.dele(2)

        await asyncio.to_thread(broken_off)
        assert await count(http) == 3
        assert (await http.get("/archive")).json()[0]["collected"] is None
        assert len(await asyncio.to_thread(fetch_all, gate, delete=True)) == 3
        assert await count(http) == 0
        (event,) = await gate.events("events.archive.copy-removed.*")
        assert isinstance(event, CopyRemoved)
        collected = datetime.fromisoformat((await http.get("/archive")).json()[0]["collected"])
        assert timedelta(milliseconds=-2) < collected - event.at < timedelta(minutes=5)
        assert (len(event.mails), event.cause) == (3, RemovalCause.CLIENT)


async def test_a_second_session_hears_in_use_and_a_lost_one_frees_the_mailbox(gate):
    async with gate.archive() as http:
        await switch_on(http)

        def second() -> str:
            with gate.pop():
                try:
                    with gate.pop():
                        return ""
                except poplib.error_proto as error:
                    return str(error)

        assert "[IN-USE]" in await asyncio.to_thread(second)
        await eventually_free(gate)


async def eventually_free(gate) -> None:
    def again() -> bool:
        try:
            fetch_all(gate)
        except poplib.error_proto:
            return False
        return True

    await eventually(lambda: asyncio.to_thread(again))


async def test_a_killed_archive_copies_every_mail_once(gate):
    async with gate.process() as first:
        async with gate.client() as http:
            await switch_on(http)
        sending = [gate.mail() for _ in range(200)]
        mails = await asyncio.gather(*sending)
        first.kill()
    mails += await asyncio.gather(*(gate.mail() for _ in range(20)))
    async with gate.process(), gate.client() as http:
        await copies(http, 220)
        page = (await http.get("/accounts/acme/archive/copies?limit=1000")).json()["copies"]
        assert sorted(one["mail"] for one in page) == sorted(mails)


async def test_a_killed_bus_loses_no_copy_and_doubles_none(gate):
    async def patient() -> str:
        mail = new_id()
        while True:
            try:
                return await gate.mail(mail=mail)
            except TransientError:
                await asyncio.sleep(0.05)

    async with gate.archive() as http:
        await switch_on(http)
        sending = asyncio.gather(*(patient() for _ in range(300)))
        await eventually(lambda: count(http))
        await gate.nats.restart()
        mails = await sending
        await copies(http, 300)
        page = (await http.get("/accounts/acme/archive/copies?limit=1000")).json()["copies"]
        assert sorted(one["mail"] for one in page) == sorted(mails)


async def test_a_database_that_was_away_has_every_copy_afterwards(gate, postgres, postgres_url):
    async with gate.archive(database_url=postgres_url) as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        await postgres.kill()
        try:
            for _ in range(20):
                await gate.mail()
            assert (await http.get("/accounts/acme/archive/copies")).status_code == 503

            def login() -> str:
                try:
                    fetch_all(gate)
                except poplib.error_proto as error:
                    return str(error)
                return ""

            assert "[SYS/TEMP]" in await asyncio.to_thread(login)
        finally:
            await postgres.start()

        async def all_there() -> bool:
            status = await http.get("/accounts/acme/archive/status")
            return status.status_code == 200 and status.json()["copies"] == 21

        await eventually(all_there)


async def test_a_bus_that_forgot_brings_no_copy_back(gate):
    """The same record once more, as a killed nats-server delivers it."""
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        await asyncio.to_thread(fetch_all, gate, delete=True)
        assert await count(http) == 0
    await gate.bus.mail.delete_consumer("archive")
    async with gate.archive() as http:
        last = await gate.mail()
        await copies(http, 1)
        page = (await http.get("/accounts/acme/archive/copies")).json()["copies"]
        assert [one["mail"] for one in page] == [last]


async def test_a_lost_index_is_made_anew_without_what_was_deleted(gate):
    async with gate.archive() as http:
        await switch_on(http)
        gone = await gate.mail()
        await copies(http, 1)
        await asyncio.to_thread(fetch_all, gate, delete=True)
        kept = [await gate.mail(), await gate.mail()]
        await copies(http, 2)
    for file in (gate.home / "data").iterdir():
        file.unlink()
    async with gate.archive() as http:
        await copies(http, 2)

        def uids() -> list[str]:
            with gate.pop() as box:
                return [line.decode().split()[1] for line in box.uidl()[1]]

        found = await asyncio.to_thread(uids)
        assert found == kept
        assert gone not in found


async def test_copies_whose_time_is_over_are_removed_but_not_in_a_session(gate):
    async with gate.archive() as http:
        await switch_on(http, **SECTION | {"keep": "1 hour"})
        await gate.mail()
        await copies(http, 1)
    # the record stays as it is; the clock is what a test can't turn, so the index is told that it
    # came long ago
    with sqlite3.connect(gate.home / "data" / "archive.sqlite") as table:
        table.execute("UPDATE copies SET arrived_ms = arrived_ms - 3700000")
    async with gate.archive() as http:
        await copies(http, 0)
        events = await gate.events("events.archive.copy-removed.*")
        assert [event.cause for event in events] == [RemovalCause.RETENTION]
        held = await gate.mail()
        await copies(http, 1)

        def in_session() -> int:
            with gate.pop() as box:
                with sqlite3.connect(gate.home / "data" / "archive.sqlite") as table:
                    table.execute("UPDATE copies SET arrived_ms = arrived_ms - 3700000 WHERE mail = ?", (held,))
                box.noop()
                return len(box.retr(1)[1])

        assert await asyncio.to_thread(in_session)
        await copies(http, 0)


async def test_turning_it_off_empties_the_mailbox_and_ends_its_session(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)

        def open_box() -> poplib.POP3:
            box = poplib.POP3_SSL("127.0.0.1", gate.pop3s, timeout=60, context=gate.trusting)
            box.user(LOGIN)
            box.pass_("another-secret")
            return box

        with closing(await asyncio.to_thread(open_box)) as box:
            answer = await http.put("/accounts/acme/archive", json=False)
            lost = f"(destroys the mailbox {LOGIN} with its copies)"
            assert [change["line"] for change in answer.json()["changes"]] == [f"- archive pop3 {LOGIN} {lost}"]
            assert await count(http) == 0
            with pytest.raises((poplib.error_proto, OSError)):
                await asyncio.to_thread(box.noop)
        await gate.mail()
        assert (await http.get("/archive")).json() == []


async def test_it_is_not_turned_on_before_senders_are_told(gate):
    async with gate.archive() as http:
        refused = await http.put("/accounts/acme/archive", json={"pop3": SECTION["pop3"]})
        assert refused.status_code == 422
        assert "senders must be told" in refused.json()["detail"]
        await switch_on(http)
        (told,) = await gate.events("events.archive.senders-told.*")
        assert isinstance(told, SendersTold)
        assert told.statement == "HR, 2026-11-02"
        assert told.by.startswith("token:")
        shown = (await http.get("/accounts/acme/archive")).json()
        assert shown["archive"] == {
            "pop3": {"login": LOGIN},
            "keep": "1 week",
            "senders_told": "HR, 2026-11-02",
        }
        assert shown["told"]["by"] == told.by
        again = await http.put("/accounts/acme/archive", json=shown["archive"])
        assert again.json()["changes"] == []


async def test_a_large_mail_comes_from_the_object_store(gate, bodies):
    large = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 60_000
    async with gate.archive() as http:
        await switch_on(http)
        mail = await gate.mail(body=large, blobs=bodies)
        await copies(http, 1)
        (text,) = await asyncio.to_thread(fetch_all, gate)
        assert text.endswith(large)
        assert (await http.get(f"/accounts/acme/archive/copies/{mail}")).content == text

        def top() -> list[bytes]:
            with gate.pop() as box:
                return box.top(1, 2)[1]

        assert (await asyncio.to_thread(top))[-4:] == [b"Subject: large", b"", b"x" * 76, b"x" * 76]
        await bodies.delete(mail)
        assert (await http.get(f"/accounts/acme/archive/copies/{mail}")).status_code == 404

        def gone() -> str:
            with gate.pop() as box:
                try:
                    box.retr(1)
                except poplib.error_proto as error:
                    return str(error)
            return ""

        assert "[SYS/PERM]" in await asyncio.to_thread(gone)


async def test_copies_are_found_by_sender_recipient_subject_and_day(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail("Bob@X.example", subject="The Offer")
        await gate.mail("carol@z.example", sender="dora@acme.example", subject="100% of it")
        await copies(http, 2)

        async def found(**wanted) -> list[str]:
            page = await http.get("/accounts/acme/archive/copies", params=wanted)
            return [one["subject"] for one in page.json()["copies"]]

        now = datetime.now(UTC)
        assert await found(sender="DORA@") == ["100% of it"]
        assert await found(recipient="bob@x") == ["The Offer"]
        assert await found(subject="offer") == ["The Offer"]
        assert await found(subject="100%") == ["100% of it"]
        assert await found(subject="1%0") == []
        assert len(await found(since=(now - timedelta(hours=1)).isoformat(), until=now.isoformat())) == 2
        assert await found(until=(now - timedelta(hours=1)).isoformat()) == []
        async with gate.client("other") as stranger:
            assert (await stranger.get("/accounts/acme/archive/copies")).status_code == 403


async def test_an_operator_removes_a_copy_and_says_why(gate):
    async with gate.archive() as http:
        await switch_on(http)
        mail = await gate.mail()
        await copies(http, 1)
        path = f"/accounts/acme/archive/copies/{mail}"
        assert (await http.delete(path)).status_code == 422
        assert (await http.delete(path, params={"reason": "asked for"})).status_code == 204
        assert (await http.get(path)).status_code == 404
        (event,) = await gate.events("events.archive.copy-removed.*")
        assert (event.cause, event.reason, event.mails) == (RemovalCause.OPERATOR, "asked for", (mail,))


async def test_of_a_converted_mail_one_form_is_copied(gate):
    linked = b"Subject: linked\r\n\r\nhttps://files.example/1\r\n"
    async with gate.archive() as http:
        await switch_on(http)
        await switch_on(
            http, "other", **SECTION | {"pop3": {"login": "o@x", "password": "some-secret"}, "copy": "sent"}
        )
        for account in ("acme", "other"):
            mail = await gate.mail(account=account, kind="convert")
            await gate.convert(mail, linked, account)
        await copies(http, 1)
        await copies(http, 1, "other")
        page = (await http.get("/accounts/other/archive/copies", params={"subject": "hello"})).json()
        assert len(page["copies"]) == 1
        (text,) = await asyncio.to_thread(fetch_all, gate)
        assert text.endswith(BODY.replace(b"\r\n..", b"\r\n."))

        def other() -> bytes:
            with gate.pop("o@x", "some-secret") as box:
                return b"\r\n".join(box.retr(1)[1]) + b"\r\n"

        assert (await asyncio.to_thread(other)).endswith(linked)
