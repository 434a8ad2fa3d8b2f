"""POP3 connections are bounded before their TLS handshake; strangers leave room for others."""

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace

from varco_archive.pop3.server import Pop3Server
from varco_common.events.ban_table import BanTable
from varco_common.testing import free_port


@asynccontextmanager
async def pop3s(**limits: int):
    """A server whose clients never get as far as the mailboxes."""
    settings = SimpleNamespace(
        bind="127.0.0.1", pop3_port=0, pop3s_port=free_port(), pop3_balancer_networks=(), **limits
    )
    certificates = SimpleNamespace(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    server = Pop3Server(settings, SimpleNamespace(certificates=certificates, idle=timedelta(minutes=1)), BanTable())
    async with server.listening():
        yield server, settings.pop3s_port


class Silent:
    """Connections that send nothing."""

    def __init__(self, port: int) -> None:
        self._port, self._writers = port, []

    async def stays_open(self, host: str) -> bool:
        """Whether a connection from this address is left open for a while."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(host, 0))
        self._writers.append(writer)
        try:
            async with asyncio.timeout(0.3):
                await reader.read(1)
        except TimeoutError:
            return True
        except ConnectionError:
            pass
        return False

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_host_s_handshakes_count():
    async with pop3s(max_connections=100, max_connections_per_host=2) as (_, port):
        silent = Silent(port)
        assert [await silent.stays_open("127.0.0.1") for _ in range(3)] == [True, True, False]
        assert await silent.stays_open("127.0.0.2")
        await silent.close()


async def test_strangers_leave_a_quarter_for_hosts_that_have_logged_in():
    async with pop3s(max_connections=4, max_connections_per_host=2) as (server, port):
        silent = Silent(port)
        strangers = [await silent.stays_open(f"127.0.0.{number}") for number in range(2, 6)]
        assert strangers == [True, True, True, False]
        server._limit.remember("127.0.0.9")
        assert await silent.stays_open("127.0.0.9")
        assert not await silent.stays_open("127.0.0.9")  # all are taken now
        await silent.close()
