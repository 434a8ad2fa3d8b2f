"""How often one address asked for links that aren't there. Pure but for being changed; `now` is seconds of any clock."""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 100_000


class MissLimiter:
    """At most `most` in a minute for each IPv4 address or IPv6 /64."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def spent(self, host: str, now: float) -> bool:
        begun, count = self._counts.get(_who(host), (now, 0))
        return now - begun < WINDOW_SECONDS and count >= self._most

    def missed(self, host: str, now: float) -> None:
        who = _who(host)
        begun, count = self._counts.pop(who, (now, 0))
        self._counts[who] = (begun, count + 1) if now - begun < WINDOW_SECONDS else (now, 1)
        if len(self._counts) > MAX_ADDRESSES:
            self._counts.popitem(last=False)


def client_address(peer: str, forwarded: str, proxies: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """Who asks: the peer, or, where that is a listed proxy, the last address in X-Forwarded-For that is none."""
    found = peer
    said = [part.strip() for part in forwarded.split(",")[-20:]]
    for one in (peer, *reversed(said)):
        try:
            address = ip_address(one)
        except ValueError:
            return found
        found = str(address)
        if not any(address in network for network in proxies):
            return found
    return found


def _who(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if isinstance(address, IPv4Address) else str(int(address) >> 64)
