"""PROXY protocol, versions 1 and 2: listed balancers must send the header, and nobody else may.

No byte beyond the header is read, because TLS may begin with the next one.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from aiosmtpd.proxy_protocol import ProxyData, get_proxy

from varco_common.base import log
from varco_common.events.ban_table import address_of, normal_address

HEADER_SECONDS = 10.0  # for a balancer to send its header
MAX_V1 = 107  # bytes, by the specification

Network = IPv4Network | IPv6Network

_log = log.get(__name__)


class Client(NamedTuple):
    """Who connects. `is_health_check`: the balancer itself, which only tries the port."""

    host: str
    is_health_check: bool = False


async def client_of(connection: socket.socket, peer: str, balancers: Sequence[Network]) -> Client | None:
    """The client behind an accepted connection from `peer`. Reads the header that a balancer sends.

    None if a balancer sends no valid header in time. Raises OSError.
    """
    host = normal_address(peer)
    if not is_listed(host, balancers):
        return Client(host)
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            data: ProxyData = await get_proxy(_SocketReader(connection))
    except TimeoutError:
        data = ProxyData(version=None).with_error("no PROXY header in time")
    if not data.valid:
        _log.warning("balancer refused", host=host, why=data.error)
        return None
    if data.command == 0 or not data.src_addr or isinstance(data.src_addr, (str, bytes)):
        return Client(host, is_health_check=True)
    return Client(normal_address(str(data.src_addr)))


def is_listed(host: str, networks: Sequence[Network]) -> bool:
    """Whether the host is in one of the networks."""
    if not networks:
        return False
    address = address_of(host)
    return any(address in network for network in networks if network.version == address.version)


class _SocketReader:
    """What aiosmtpd's parser reads from. It buffers nothing."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def read(self, n: int = MAX_V1) -> bytes:
        """Up to `n` bytes; empty at the end."""
        return await asyncio.get_running_loop().sock_recv(self._connection, n)

    async def readexactly(self, n: int) -> bytes:
        """Raises EOFError."""
        pieces = bytearray()
        while len(pieces) < n:
            if not (piece := await self.read(n - len(pieces))):
                raise EOFError
            pieces += piece
        return bytes(pieces)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Raises EOFError, and ValueError if the line is too long."""
        line = b""
        while not line.endswith(separator):
            if len(line) > MAX_V1:
                raise ValueError("no PROXY header")
            line += await self.readexactly(1)
        return line
