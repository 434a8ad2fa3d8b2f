"""The protocol, line by line: what is offered when, what is refused, and what is a strike."""

import asyncio
import itertools
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from varco_archive import app
from varco_archive.copy_reader import unstuffed
from varco_archive.pop3 import server, session
from varco_archive.pop3.multiline import terminated, top
from varco_common.events import AuthCause, AuthFailed, HostBanned, LoginGuarded
from varco_common.testing.waiting import eventually

from .conftest import LOGIN, PASSWORD, copies, switch_on
from .pop3_client import connected, logged_in


async def test_login_is_offered_inside_tls_alone(gate):
    async with gate.archive() as http, connected(gate) as client:
        await switch_on(http)
        before = await client.multiline("CAPA")
        assert "STLS" in before
        assert {"USER", "SASL PLAIN"}.isdisjoint(before)
        assert {"TOP", "UIDL", "PIPELINING", "RESP-CODES"} <= {*before}
        await client.start_tls(gate.trusting)
        after = await client.multiline("CAPA")
        assert "STLS" not in after
        assert {"USER", "SASL PLAIN"} <= {*after}
        assert (await client.command("STLS")).startswith("-ERR")
        assert (await client.command("STAT")).startswith("-ERR")
        response = b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()
        assert (await client.command(f"AUTH PLAIN {response}")).startswith("+OK")
        assert "EXPIRE 7" in await client.multiline("CAPA")
        assert (await client.command("QUIT")).startswith("+OK")


async def test_a_challenge_is_answered_or_cancelled(gate):
    async with gate.archive() as http, connected(gate) as client:
        await switch_on(http)
        await client.start_tls(gate.trusting)
        assert await client.command("AUTH PLAIN") == "+ \r\n"
        assert (await client.command("*")).startswith("-ERR")
        assert (await client.command("AUTH CRAM-MD5")).startswith("-ERR")
        assert (await client.command("AUTH PLAIN =")).startswith("-ERR")
        assert await client.command("AUTH PLAIN") == "+ \r\n"
        assert (await client.command(b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode())).startswith("+OK")


async def test_failed_logins_are_facts_for_banguard(gate):
    async with gate.archive() as http:
        await switch_on(http)
        async with connected(gate) as client:
            assert (await client.command(f"USER {LOGIN}")).startswith("-ERR [AUTH]")
            await client.start_tls(gate.trusting)
            await client.command(f"USER {LOGIN}")
            assert await client.command("PASS a-guess") == "-ERR [AUTH] wrong login or password\r\n"
            await client.command("USER nobody@acme.example")
            assert await client.command("PASS a-guess") == "-ERR [AUTH] wrong login or password\r\n"
    failed = await gate.events("events.archive.auth-failed.*")
    assert all(isinstance(event, AuthFailed) for event in failed)
    assert [(event.host, event.cause, event.login, event.account, event.listener) for event in failed] == [
        ("127.0.0.1", AuthCause.INSECURE_CHANNEL, LOGIN, "", "pop3"),
        ("127.0.0.1", AuthCause.WRONG_CREDENTIALS, LOGIN, "acme", "pop3"),
        ("127.0.0.1", AuthCause.WRONG_CREDENTIALS, "nobody@acme.example", "", "pop3"),
    ]


async def test_commands_sent_in_clear_behind_stls_are_never_obeyed(gate):
    async with gate.archive() as http, connected(gate) as client:
        await switch_on(http)
        assert (await client.command("STLS", f"USER {LOGIN}")).startswith("+OK")
        with suppress(OSError):
            await client.writer.start_tls(gate.trusting, server_hostname="localhost")
            assert await client.line() == ""


async def test_commands_are_answered_in_order_however_many_come_at_once(gate):
    async with gate.archive() as http:
        await switch_on(http)
        mails = [await gate.mail() for _ in range(3)]
        await copies(http, 3)
        async with connected(gate) as client:
            await client.start_tls(gate.trusting)
            assert (
                await client.command(f"USER {LOGIN}", f"PASS {PASSWORD}", "NOOP", "STAT", "DELE 2", "LIST 2", "STAT")
            ) == ("+OK go on\r\n")
            answers = [await client.line() for _ in range(6)]
            assert [answer.split(" ", 1)[0].strip() for answer in answers] == ["+OK"] * 4 + ["-ERR", "+OK"]
            assert answers[2].startswith("+OK 3 ")
            assert answers[5].startswith("+OK 2 ")
            assert await client.multiline("UIDL") == [f"1 {mails[0]}", f"3 {mails[2]}"]
            assert (await client.command("UIDL 3")) == f"+OK 3 {mails[2]}\r\n"
            for wrong in ("RETR 0", "RETR 4", "RETR x", "TOP 1", "TOP 1 -1", "DELE 2", "UIDL 99999999999"):
                assert (await client.command(wrong)).startswith("-ERR"), wrong


async def test_a_line_without_end_and_endless_errors_end_the_session(gate):
    async with gate.archive():
        async with connected(gate) as client:
            client.writer.write(b"x" * 40_000)
            assert (await client.line()).startswith("-ERR")
            assert await client.line() == ""
        async with connected(gate) as client:
            for _ in range(10):
                assert (await client.command("WHAT")).startswith("-ERR")
            assert (await client.line()) == "-ERR too many errors\r\n"
            assert await client.line() == ""


async def test_a_silent_client_loses_its_mailbox(gate, monkeypatch):
    async with gate.archive() as http, connected(gate) as client:
        await switch_on(http)
        await client.start_tls(gate.trusting)
        await client.command(f"USER {LOGIN}")
        assert (await client.command(f"PASS {PASSWORD}")).startswith("+OK")
        assert (await http.get("/accounts/acme/archive/status")).json()["in_session"]
        monkeypatch.setattr(session, "IDLE_SECONDS", 0.3)
        assert (await client.command("NOOP")).startswith("+OK")
        assert await client.line() == ""
        assert not (await http.get("/accounts/acme/archive/status")).json()["in_session"]


async def test_more_connections_than_allowed_are_turned_away(gate, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS_PER_HOST", 1)
    async with gate.archive(), connected(gate):
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.pop3)
        assert (await reader.readline()).startswith(b"-ERR [SYS/TEMP]")
        writer.close()


async def test_a_banned_host_hears_nothing_and_loses_its_session(gate):
    async with gate.archive() as http:
        await switch_on(http)
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.pop3, local_addr=("127.0.0.9", 0))
        assert (await reader.readline()).startswith(b"+OK")
        await gate.bus.events.append(HostBanned(at=datetime.now(UTC), network="127.0.0.9", until=None))
        async with asyncio.timeout(60):
            with suppress(OSError):
                assert await reader.readline() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.pop3, local_addr=("127.0.0.9", 0))
        with suppress(OSError):
            assert await reader.readline() == b""
        writer.close()


async def test_a_banned_host_hears_why_if_the_settings_say_so(gate):
    async with gate.archive(tell_banned=True):
        await gate.bus.events.append(HostBanned(at=datetime.now(UTC), network="127.0.0.9", until=None))

        async def greeting() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.pop3, local_addr=("127.0.0.9", 0))
            try:
                line = await reader.readline()
                return b"" if line.startswith(b"+OK") else line
            finally:
                writer.close()

        said = await eventually(greeting)
        assert said == b"-ERR [SYS/TEMP] 127.0.0.9 is banned for good: by an administrator\r\n"


async def test_octets_are_counted_without_the_dots_that_the_wire_doubles(gate):
    """RFC 1939 11, for LIST, STAT and RETR."""
    plain = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\ny.\r\n"
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail(body=plain.replace(b"\r\n.", b"\r\n.."))
        await copies(http, 1)

        def sizes() -> tuple[int, int, int, int]:
            with gate.pop() as box:
                response, lines, _ = box.retr(1)
                received = sum(len(line) + 2 for line in lines)
                return box.stat()[1], int(box.list(1).split()[2]), int(response.split()[1]), received

        assert len({*await asyncio.to_thread(sizes)}) == 1


async def pieces(text: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_a_text_is_cut_alike_however_it_comes_in_pieces(size):
    text = b"A: b\r\n\r\none\r\n..two\r\nthree\r\n"

    async def joined(chunks) -> bytes:
        return b"".join([chunk async for chunk in chunks])

    assert await joined(terminated(top(pieces(text, size), 2))) == b"A: b\r\n\r\none\r\n..two\r\n.\r\n"
    assert await joined(terminated(top(pieces(text, size), 0))) == b"A: b\r\n\r\n.\r\n"
    assert await joined(terminated(top(pieces(text, size), 99))) == text + b".\r\n"
    assert await joined(terminated(top(pieces(b"A: b\r\n", size), 1))) == b"A: b\r\n.\r\n"
    assert await joined(terminated(pieces(b"no end", size))) == b"no end\r\n.\r\n"
    assert await joined(unstuffed(pieces(text, size))) == text.replace(b"..", b".")
    assert await joined(unstuffed(pieces(b"..a\r\n..\r\n", size))) == b".a\r\n.\r\n"


async def test_at_a_guessed_mailbox_strangers_wait_their_turn_and_known_hosts_do_not(gate, monkeypatch):
    monkeypatch.setattr(app, "GUESS_SECONDS", 3_600.0)
    monkeypatch.setattr(app, "MAX_GUESSES_WAITING", 1)
    async with gate.archive() as http:
        await switch_on(http)
        async with logged_in(gate):
            pass  # 127.0.0.1 is known now
        now = datetime.now(UTC)
        guarded = LoginGuarded(at=now, login=LOGIN, account="acme", until=now + timedelta(hours=1), known=(), tried=30)
        sequence = await gate.bus.events.append(guarded)

        async def stranger() -> str:
            """What a host that never logged in hears to the right password."""
            async with connected(gate, host=f"127.0.1.{next(numbers)}") as client:
                await client.start_tls(gate.trusting)
                return await client.log_in()

        assert sequence
        numbers = itertools.count(1)  # a host that gets in before the guard is in force is no stranger afterwards
        waiting = {asyncio.create_task(stranger()) for _ in range(3)}
        try:
            heard = {"+OK"}
            while all(reply.startswith("+OK") for reply in heard):
                done, waiting = await asyncio.wait(waiting, timeout=60, return_when=asyncio.FIRST_COMPLETED)
                assert done, "all three wait"
                heard = {task.result() for task in done}
                waiting |= {asyncio.create_task(stranger()) for _ in done}
            # one may wait for an hour, the next one is turned away
            assert any(reply.startswith("-ERR [SYS/TEMP]") for reply in heard)
            async with logged_in(gate) as client:
                assert (await client.command("STAT")).startswith("+OK")
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def test_no_session_lasts_for_ever_however_busy_it_is(gate, monkeypatch):
    monkeypatch.setattr(session, "MAX_SESSION_SECONDS", 1.0)
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        async with logged_in(gate) as client:
            assert (await client.command("STAT")).startswith("+OK")
            assert (await client.command("DELE 1")).startswith("+OK")
            while (answer := await client.command("NOOP")).startswith("+OK"):
                pass
            assert answer.startswith("-ERR [SYS/TEMP]")
            assert await client.line() == ""
        assert (await http.get("/accounts/acme/archive/status")).json()["copies"] == 1
        async with logged_in(gate) as client:
            assert (await client.command("STAT")).startswith("+OK")
            assert (await client.line()).startswith("-ERR [SYS/TEMP]")  # though it is shorter than `idle`
