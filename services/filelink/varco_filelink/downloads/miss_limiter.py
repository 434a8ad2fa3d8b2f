"""Limits how often one address may ask for links that do not exist."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address

from cachetools import TTLCache

WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 100_000  # some 20 MiB


class MissLimiter:
    """At most `limit` misses in a minute for each IPv4 address or IPv6 /64.

    The minute begins at the first miss.
    """

    def __init__(self, limit: int, timer: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._misses: TTLCache[str, list[None]] = TTLCache(MAX_ADDRESSES, WINDOW_SECONDS, timer)

    def is_blocked(self, host: str) -> bool:
        return len(self._misses.get(_network(host), ())) >= self._limit

    def add_miss(self, host: str) -> None:
        self._misses.setdefault(_network(host), []).append(
            None
        )  # changed in place: a new item would restart its minute


def _network(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if isinstance(address, IPv4Address) else str(int(address) >> 64)
