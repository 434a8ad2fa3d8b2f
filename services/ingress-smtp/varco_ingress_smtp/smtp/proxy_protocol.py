"""PROXY protocol, versions 1 and 2: listed balancers must send the header, and nobody else may.

No byte beyond the header is read, because TLS may begin with the next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import cast

from aiosmtpd.proxy_protocol import V2_SIGNATURE, ProxyData, get_proxy

from varco_common.base import log
from varco_common.events.ban_table import address_of

MAX_V1 = 107  # bytes, by the specification
MAX_V2 = 16 + 65_535

Network = IPv4Network | IPv6Network
NewSession = Callable[[str, bool], asyncio.BaseProtocol]

_log = log.get(__name__)


def is_listed(host: str, networks: Sequence[Network]) -> bool:
    """Whether the host is in one of the networks."""
    address = address_of(host)
    return any(address in network for network in networks if network.version == address.version)


class ProxyHeaderReader(asyncio.BufferedProtocol):
    """Reads one PROXY header, then hands over to a session with the client's address.

    `tls` says that TLS follows the header.
    """

    def __init__(self, balancers: Sequence[Network], session: NewSession, seconds: float, *, tls: bool) -> None:
        self._balancers = balancers
        self._session = session
        self._seconds = seconds
        self._tls = tls
        self._header = bytearray()
        self._piece = bytearray(1)
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        peer = transport.get_extra_info("peername")[0]
        if not is_listed(peer, self._balancers):
            self._hand_over(peer, local=False)
            return
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._refuse, "no PROXY header in time")

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - the header's own size counts
        self._piece = bytearray(_missing(self._header))
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        self._header += self._piece[:nbytes]
        if _missing(self._header):
            if len(self._header) > (MAX_V2 if self._header.startswith(V2_SIGNATURE) else MAX_V1):
                self._refuse("no PROXY header")
            return
        self._transport.pause_reading()
        asyncio.get_running_loop().create_task(self._hand_over_to_client())

    def eof_received(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._timer:
            self._timer.cancel()

    async def _hand_over_to_client(self) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(bytes(self._header))
        reader.feed_eof()
        data: ProxyData = await get_proxy(reader)
        if not data.valid:
            self._refuse(data.error)
        elif data.command == 0 or not data.src_addr or isinstance(data.src_addr, (str, bytes)):
            self._hand_over(self._transport.get_extra_info("peername")[0], local=True)
        else:
            self._hand_over(str(address_of(str(data.src_addr))), local=False)

    def _hand_over(self, host: str, *, local: bool) -> None:
        if self._timer:
            self._timer.cancel()
        if self._transport.is_closing():
            return
        session = self._session(host, local)
        self._transport.set_protocol(session)
        if not self._tls:  # else the next bytes are TLS, and starting it resumes reading
            self._transport.resume_reading()
        session.connection_made(self._transport)

    def _refuse(self, why: str) -> None:
        _log.warning("balancer refused", host=self._transport.get_extra_info("peername")[0], why=why)
        self._transport.close()


def _missing(header: bytearray) -> int:
    """How many bytes can be read without reading beyond the header; 0 when it is complete."""
    if V2_SIGNATURE.startswith(header[: len(V2_SIGNATURE)]):
        if len(header) < 16:
            return 16 - len(header)
        return 16 + int.from_bytes(header[14:16], "big") - len(header)
    if len(header) < 8:
        return 8 - len(header)
    return 0 if header.endswith(b"\n") else 1
