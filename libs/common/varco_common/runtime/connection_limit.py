"""How many connections may be open, in all and for each host, with room for known hosts."""

from collections import Counter

from cachetools import LRUCache

from varco_common.events import RefusedConnections
from varco_common.events.ban_table import banned_as

RESERVED_PART = 4  # a quarter of the connections is for known hosts
MAX_KNOWN_HOSTS = 10_000


class ConnectionLimit:
    """Counts open connections. A host is an IPv4 address or an IPv6 /64.

    A host is known after a login or a mail. Strangers leave a quarter of the connections free, so
    that silent connections from many hosts keep out no host that has used the gate before.
    """

    def __init__(self, limit: int, limit_per_host: int) -> None:
        self._limit, self._limit_per_host = limit, limit_per_host
        self._open = 0
        self._by_host: Counter[str] = Counter()
        self._known: LRUCache[str, None] = LRUCache(MAX_KNOWN_HOSTS)

    def enter(self, host: str) -> RefusedConnections | None:
        """Counts a connection, which must `leave` later; or returns why it may not stay."""
        key = _key(host)
        room = self._limit if key in self._known else self._limit - self._limit // RESERVED_PART
        if self._open >= room:
            return RefusedConnections.TOO_MANY
        if self._by_host[key] >= self._limit_per_host:
            return RefusedConnections.TOO_MANY_FROM_HOST
        self._open += 1
        self._by_host[key] += 1
        return None

    def leave(self, host: str) -> None:
        key = _key(host)
        self._open -= 1
        self._by_host[key] -= 1
        if not self._by_host[key]:
            del self._by_host[key]

    def remember(self, host: str) -> None:
        """The host has logged in, or had a mail accepted."""
        self._known[_key(host)] = None


def _key(host: str) -> str:
    return banned_as(host) if host else ""
