"""PROXY protocol: behind a balancer the client's address counts, for limits, bans and strikes."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from varco_archive.pop3 import server
from varco_common.events import AuthFailed, HostBanned
from varco_common.testing.waiting import eventually

from .conftest import switch_on
from .pop3_client import Client

BALANCER = "127.0.0.1"
FAILED = "events.archive.auth-failed.*"


def v2(host: str, command: int = 1) -> bytes:
    address = socket.inet_aton(host) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 4000, 110)
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x20 | command, 0x11, len(address)) + address


def v1(host: str) -> bytes:
    family = "TCP6" if ":" in host else "TCP4"
    return f"PROXY {family} {host} {'::1' if ':' in host else '127.0.0.1'} 4000 110\r\n".encode()


@asynccontextmanager
async def through(gate, header: bytes, port: int = 0, host: str = BALANCER):
    reader, writer = await asyncio.open_connection("127.0.0.1", port or gate.pop3, local_addr=(host, 0))
    writer.write(header)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ended(client: Client) -> bool:
    with suppress(ConnectionResetError):
        return await client.line() == ""
    return True


@pytest.mark.parametrize("header", [v1("192.0.2.7"), v1("::ffff:192.0.2.7"), v1("::ffff:c000:207"), v2("192.0.2.7")])
async def test_a_failure_behind_the_balancer_is_the_clients(gate, header):
    async with gate.archive(balancers=BALANCER) as http:
        await switch_on(http)
        async with through(gate, header) as client:
            assert (await client.line()).startswith("+OK")
            await client.start_tls(gate.trusting)
            assert (await client.log_in(password="a-guess")).startswith("-ERR [AUTH]")
            await eventually(lambda: gate.events(FAILED))
        (event,) = await gate.events(FAILED)
        assert isinstance(event, AuthFailed)
        assert event.host == "192.0.2.7"


async def test_the_header_comes_before_tls_on_pop3s(gate):
    """As haproxy sends it, with the client's handshake right behind it."""
    async with gate.archive(balancers=BALANCER) as http:
        await switch_on(http)
        async with through(gate, v2("192.0.2.7"), gate.pop3s) as client:
            await client.writer.start_tls(gate.trusting, server_hostname="localhost")
            assert (await client.line()).startswith("+OK")
            assert (await client.log_in()).startswith("+OK")


async def test_bans_and_limits_are_the_clients_before_any_handshake(gate, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS_PER_HOST", 1)
    async with gate.archive(balancers=BALANCER) as http:
        await switch_on(http)
        async with through(gate, v1("192.0.2.7")) as first:
            assert (await first.line()).startswith("+OK")
            async with through(gate, v2("192.0.2.7"), gate.pop3s) as second:
                assert await ended(second)
            async with through(gate, v1("192.0.2.8")) as other:
                assert (await other.line()).startswith("+OK")
            await gate.bus.events.append(HostBanned(at=datetime.now(UTC), network="192.0.2.7", until=None))
            assert await ended(first)
        async with through(gate, v1("192.0.2.7")) as banned, through(gate, v2("192.0.2.7"), gate.pop3s) as also:
            assert await ended(banned)
            assert await ended(also)
        async with through(gate, v1("192.0.2.9")) as other:
            assert (await other.line()).startswith("+OK")


async def test_a_ban_of_the_balancer_itself_closes_nothing(gate):
    async with gate.archive(balancers="127.0.0.9") as http:
        await switch_on(http)
        await gate.bus.events.append(HostBanned(at=datetime.now(UTC), network="127.0.0.9", until=None))
        await gate.bus.events.append(HostBanned(at=datetime.now(UTC), network="127.0.0.8", until=None))

        async def bans_are_known() -> bool:
            async with through(gate, b"", host="127.0.0.8") as stranger:
                return await ended(stranger)

        await eventually(bans_are_known)
        async with through(gate, v1("192.0.2.7"), host="127.0.0.9") as client:
            assert (await client.line()).startswith("+OK")


async def test_a_balancers_own_check_gets_a_greeting(gate):
    async with gate.archive(balancers=BALANCER), through(gate, v2("192.0.2.7", command=0)) as client:
        assert (await client.line()).startswith("+OK")


@pytest.mark.parametrize("header", [b"CAPA\r\n" * 30, b"PROXY TCP4 192.0.2.7\r\n", b"PROXY TCP4 " + b"1" * 200])
async def test_a_balancer_without_a_good_header_is_closed_on(gate, header):
    async with gate.archive(balancers=BALANCER), through(gate, header) as client:
        assert await ended(client)


async def test_others_need_no_header_and_may_send_none(gate):
    async with gate.archive(balancers="192.0.2.0/24") as http:
        await switch_on(http)

        def fetched() -> int:
            with gate.pop(implicit=True) as box:
                return box.stat()[0]

        assert await asyncio.to_thread(fetched) == 0
        async with through(gate, v1("192.0.2.7")) as client:
            assert (await client.line()).startswith("+OK")
            assert (await client.line()).startswith("-ERR")


async def test_a_header_cut_into_bytes_is_read_and_not_one_byte_more(gate):
    async with gate.archive(balancers=BALANCER), through(gate, b"") as client:
        for byte in v2("192.0.2.7") + b"CAPA\r\n":
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert (await client.line()).startswith("+OK")
        assert (await client.line()).startswith("+OK")


async def test_a_session_that_ended_leaves_its_place(gate, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS_PER_HOST", 1)
    async with gate.archive(balancers=BALANCER):
        for _ in range(3):

            async def greeted() -> bool:
                async with through(gate, v1("192.0.2.7")) as client:
                    return (await client.line()).startswith("+OK")

            await eventually(greeted)
