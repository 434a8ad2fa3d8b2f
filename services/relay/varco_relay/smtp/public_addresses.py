"""Resolves the names that customers chose, and leaves out private addresses."""

import asyncio
import socket
from collections.abc import Iterable

from varco_relay.smtp.private_addresses import is_private


async def public_addresses(host: str, port: int) -> list[str]:
    """The public addresses of a host.

    Connect to these: a second look-up may give others. Raises OSError if it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return only_public(dict.fromkeys(str(address[0]) for *_, address in found))


def only_public(addresses: Iterable[str]) -> list[str]:
    """Raises OSError if there are none."""
    public = [address for address in addresses if not is_private(address)]
    if not public:
        raise OSError("it has private addresses only, and those take an operator's leave")
    return public
