"""POP3 connections are bounded before their TLS handshake; strangers leave room for others."""

import asyncio
import ssl
from contextlib import suppress
from types import SimpleNamespace

import pytest

from varco_archive.pop3 import server
from varco_archive.pop3.server import Pop3Server
from varco_common.events.ban_table import BanTable
from varco_common.testing import free_port


@pytest.fixture
async def pop3s(monkeypatch):
    """A server for four connections, two of each host. No client gets as far as the mailboxes."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(server, "MAX_CONNECTIONS_PER_HOST", 2)
    settings = SimpleNamespace(bind="127.0.0.1", pop3_port=0, pop3s_port=free_port(), pop3_balancer_networks=())
    certificates = SimpleNamespace(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    running = Pop3Server(settings, SimpleNamespace(certificates=certificates), BanTable())
    async with running.listening():
        yield running, Silent(settings.pop3s_port)


class Silent:
    """Connections that send nothing."""

    def __init__(self, port: int) -> None:
        self._port, self._writers = port, []

    async def stays_open(self, host: str) -> bool:
        """Whether a connection from this address is left open for a while."""
        with suppress(TimeoutError):
            await self.is_closed(host, 0.3)
            return False
        return True

    async def is_closed(self, host: str, seconds: float = 30.0) -> bool:
        """Raises TimeoutError where the server has not closed it until then."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(host, 0))
        self._writers.append(writer)
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                return await reader.read(1) == b""
        return True

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_host_s_handshakes_count(pop3s):
    _, silent = pop3s
    assert await silent.stays_open("127.0.0.1")
    assert await silent.stays_open("127.0.0.1")
    assert await silent.is_closed("127.0.0.1")
    assert await silent.stays_open("127.0.0.2")
    await silent.close()


async def test_strangers_leave_a_quarter_for_hosts_that_have_logged_in(pop3s):
    running, silent = pop3s
    for number in range(2, 5):
        assert await silent.stays_open(f"127.0.0.{number}")
    assert await silent.is_closed("127.0.0.5")
    running._limit.remember("127.0.0.9")
    assert await silent.stays_open("127.0.0.9")
    assert await silent.is_closed("127.0.0.9")  # all are taken now
    await silent.close()
