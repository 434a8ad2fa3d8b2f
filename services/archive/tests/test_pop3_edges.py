"""POP3 clients that are wrong, slow, hostile or unlucky."""

import asyncio
import ssl
from base64 import b64encode
from contextlib import suppress

import pytest

from varco_archive.pop3 import commands, connection, server, session
from varco_common.base.ids import new_id
from varco_common.events import AuthCause, AuthFailed
from varco_common.testing.waiting import eventually

from .conftest import LOGIN, PASSWORD, SECTION, copies, count, switch_on
from .pop3_client import connected, logged_in

NO_SUCH = "-ERR no such message\r\n"
SYNTAX = "-ERR that is not how it is written\r\n"
WRONG_STATE = "-ERR not in this state\r\n"


async def test_commands_are_refused_outside_their_state(gate):
    async with gate.archive() as http:
        await switch_on(http)
        async with connected(gate) as client:
            for line in ("STAT", "LIST", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "RSET", "NOOP"):
                assert await client.command(line) == WRONG_STATE, line
            assert (await client.command("QUIT")) == "+OK bye\r\n"
            assert await client.line() == ""
        async with logged_in(gate) as client:
            for line in (f"USER {LOGIN}", f"PASS {PASSWORD}", "AUTH PLAIN", "STLS"):
                assert await client.command(line) == WRONG_STATE, line


async def test_a_login_in_two_steps_needs_both(gate):
    async with gate.archive() as http, connected(gate) as client:
        await switch_on(http)
        await client.start_tls(gate.trusting)
        assert await client.command("USER ") == SYNTAX
        assert await client.command(f"PASS {PASSWORD}") == WRONG_STATE
        assert (await client.log_in(password="a-guess")).startswith("-ERR [AUTH]")
        assert await client.command(f"PASS {PASSWORD}") == WRONG_STATE, "USER is needed again"
        assert (await client.log_in(f" {LOGIN.upper()} ")).startswith("+OK 0 messages")


@pytest.mark.parametrize(
    "response",
    [
        "not base64!",
        b64encode(f"{LOGIN}\0{PASSWORD}".encode()).decode(),
        b64encode(f"\0\0{PASSWORD}".encode()).decode(),
        b64encode(f"other@acme.example\0{LOGIN}\0{PASSWORD}".encode()).decode(),
    ],
)
async def test_a_sasl_response_that_is_malformed_or_acts_for_another_is_refused(gate, response):
    async with gate.archive() as http, connected(gate) as client:
        await switch_on(http)
        await client.start_tls(gate.trusting)
        assert await client.command(f"AUTH PLAIN {response}") == SYNTAX
        assert await client.command("AUTH") == SYNTAX


async def test_a_wrong_password_in_the_charset_of_old_clients_is_an_event(gate):
    async with gate.archive() as http:
        await switch_on(http)
        async with connected(gate) as client:
            await client.start_tls(gate.trusting)
            assert (await client.command(f"USER {LOGIN}")).startswith("+OK")
            client.writer.write("PASS pässwörd\r\n".encode("latin-1"))
            assert (await client.line()).startswith("-ERR [AUTH]")
        (event,) = await eventually(lambda: gate.events("events.archive.auth-failed.*"))
        assert event.cause is AuthCause.WRONG_CREDENTIALS


async def test_a_client_that_leaves_during_its_login_is_an_event(gate):
    """Otherwise guesses that are cut off before the reply would not count."""
    async with gate.archive() as http:
        await switch_on(http)
        async with connected(gate) as client:
            await client.start_tls(gate.trusting)
            assert await client.command("AUTH PLAIN") == "+ \r\n"
            client.writer.transport.abort()
        (event,) = await eventually(lambda: gate.events("events.archive.auth-failed.*"))
        assert isinstance(event, AuthFailed)
        assert event.cause is AuthCause.BROKEN_OFF


async def test_lines_that_are_too_long_or_no_utf_8_are_errors_that_a_session_survives(gate):
    async with gate.archive() as http:
        await switch_on(http)
        async with logged_in(gate) as client:
            assert await client.command("NOOP " + "x" * connection.MAX_COMMAND) == "-ERR the line is too long\r\n"
            client.writer.write(b"LIST \xff\r\n")
            assert await client.line() == SYNTAX
            assert await client.command("") == "-ERR no such command\r\n"
            assert await client.command("nOoP") == "+OK\r\n"


async def test_numbers_that_no_message_has_are_refused(gate, monkeypatch):
    monkeypatch.setattr(session, "MAX_ERRORS", 20)
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        async with logged_in(gate) as client:
            for argument in ("0", "2", "-1", "x", "1 1", "", "\u0661", "9" * 12):
                assert await client.command(f"RETR {argument}") == NO_SUCH, argument
            assert (await client.command("DELE 1")) == "+OK\r\n"
            assert (await client.command("DELE 1")) == NO_SUCH
            assert (await client.command("TOP 1 0")) == NO_SUCH
            assert (await client.command("STAT")) == "+OK 0 0\r\n"


async def test_errors_end_a_session_without_deleting_anything(gate, monkeypatch):
    monkeypatch.setattr(session, "MAX_ERRORS", 2)
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        async with logged_in(gate) as client:
            await client.command("DELE 1")
            await client.command("WHAT")
            await client.command("WHAT")
            assert await client.line() == "-ERR too many errors\r\n"
            assert await client.line() == ""
        assert await count(http) == 1


async def test_a_long_list_comes_in_pieces_and_leaves_out_what_is_marked(gate, monkeypatch):
    monkeypatch.setattr(commands, "LINES_PER_WRITE", 2)
    async with gate.archive() as http:
        await switch_on(http)
        mails = [await gate.mail() for _ in range(5)]
        await copies(http, 5)
        async with logged_in(gate) as client:
            await client.command("DELE 2")
            assert await client.multiline("UIDL") == [f"{n + 1} {mails[n]}" for n in (0, 2, 3, 4)]
            assert [line.split()[0] for line in await client.multiline("LIST")] == ["1", "3", "4", "5"]
            await client.command("RSET")
            assert len(await client.multiline("LIST")) == 5


async def test_top_gives_the_header_and_as_many_lines_as_were_asked_for(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        async with logged_in(gate) as client:
            whole = await client.multiline("RETR 1")
            assert await client.multiline("TOP 1 0") == whole[:-2]
            assert await client.multiline("TOP 1 1") == whole[:-1]
            assert await client.multiline("TOP 1 99") == whole
            for argument in ("1", "1 x", "1 -1", "1 " + "9" * 10):
                assert await client.command(f"TOP {argument}") == SYNTAX


async def test_all_ports_together_take_no_more_connections_than_allowed(gate, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    async with gate.archive():
        async with connected(gate), connected(gate, "127.0.0.2"):
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.pop3, local_addr=("127.0.0.3", 0))
            assert await reader.readline() == b"-ERR [SYS/TEMP] too many connections\r\n"
            writer.close()

        async def free() -> bool:
            with suppress(AssertionError):
                async with connected(gate, "127.0.0.3"):
                    return True
            return False

        await eventually(free)


async def test_a_failed_handshake_ends_the_session(gate):
    async with gate.archive() as http:
        async with connected(gate) as client:
            assert (await client.command("STLS")).startswith("+OK")
            with suppress(OSError):
                await client.writer.start_tls(ssl.create_default_context(), server_hostname="localhost")
        assert (await http.get("/readyz")).status_code == 200
        async with connected(gate) as client:
            await client.start_tls(gate.trusting)


async def test_a_client_that_does_not_read_loses_its_session(gate, monkeypatch):
    """Its mailbox must not stay locked for ever."""
    monkeypatch.setattr(connection, "MAX_UNSENT", 0)
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.3)
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail(body=b"Subject: large\r\n\r\n" + b"x" * 900_000 + b"\r\n")
        await copies(http, 1)
        async with logged_in(gate) as client:
            client.writer.write(b"RETR 1\r\n" * 40)

            async def ended() -> bool:
                return not (await http.get("/accounts/acme/archive/status")).json()["in_session"]

            await eventually(ended)
            client.writer.transport.abort()  # to close would wait for what was never read


async def test_a_large_mail_that_is_gone_from_the_store_ends_no_session(gate, bodies):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail(mail=new_id(), stored=1_000_000)  # its record refers to an object that is not there
        await gate.mail()
        await copies(http, 2)
        async with logged_in(gate) as client:
            assert await client.command("RETR 1") == "-ERR [SYS/PERM] the message's time is over\r\n"
            assert await client.command("TOP 1 0") == "-ERR [SYS/PERM] the message's time is over\r\n"
            assert (await client.multiline("RETR 2"))[-1] == "..dots"


async def test_what_is_marked_is_kept_if_the_service_ends_before_quit(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        opening = logged_in(gate)
        client = await opening.__aenter__()
        assert await client.command("DELE 1") == "+OK\r\n"
    with suppress(OSError):
        assert await client.line() == ""
    await opening.__aexit__(None, None, None)
    async with gate.archive() as http:
        assert await count(http) == 1


async def test_while_the_bus_is_away_nothing_is_removed_and_the_client_may_try_again(gate):
    async with gate.archive() as http:
        await switch_on(http, **SECTION)
        await gate.mail()
        await copies(http, 1)
        async with logged_in(gate) as client:
            assert await client.command("DELE 1") == "+OK\r\n"
            await gate.nats.kill()
            try:
                assert await client.command("RETR 1") == NO_SUCH
                client.writer.write(b"QUIT\r\n")
                async with asyncio.timeout(40):
                    reply = await client.reader.readline()
                assert reply == b"-ERR [SYS/TEMP] some messages are not removed\r\n"
            finally:
                await gate.nats.start()
        assert await count(http) == 1

        async def works() -> bool:
            with suppress(AssertionError, OSError):
                async with logged_in(gate) as client:
                    return (await client.command("DELE 1", "QUIT")) == "+OK\r\n"
            return False

        await eventually(works)
        await copies(http, 0)


async def test_a_failed_login_is_answered_though_the_bus_is_away(gate):
    async with gate.archive() as http:
        await switch_on(http)
        async with connected(gate) as client:
            await client.start_tls(gate.trusting)
            await gate.nats.kill()
            try:
                assert (await client.log_in(password="a-guess")).startswith("-ERR [AUTH]")
            finally:
                await gate.nats.start()
