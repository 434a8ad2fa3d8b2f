"""HTTP connections to public addresses alone. The library for it is imported with this module."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpcore

from varco_relay.smtp.public_addresses import public_addresses


class PublicBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only: somebody else chose the host."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address, *_ = await public_addresses(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
