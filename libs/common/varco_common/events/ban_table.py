"""Which hosts are banned now.

The one answer for ingress, the firewall and banguard's vote, folded from banguard's events.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from varco_common.base.subjects import event, everyone
from varco_common.events import (
    GatewayDetected,
    HostBanned,
    HostUnbanned,
    NetworkIgnored,
    NetworkUnignored,
    Strike,
    StrikeCause,
)
from varco_common.events.stop_table import StopTable
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Vote
from varco_common.mail.envelope import Envelope

Network = IPv4Network | IPv6Network

ENFORCED = (
    *(
        event("banguard", fact, "*")
        for fact in ("host-banned", "host-unbanned", "network-ignored", "network-unignored")
    ),
    GatewayDetected.subject_filter(),
)
ENFORCER_STATUS = everyone("bans")
NEVER: tuple[Network, ...] = (IPv4Network("127.0.0.1/32"), IPv6Network("::1/128"))


@dataclass(frozen=True, kw_only=True)
class EnforcerStatus:
    """One process that enforces bans, asked about one host.

    `sequence` is the last event that it has applied.

    `how` is `closes at accept` or `kernel`; `why_not` says what keeps the host from being refused.
    """

    service: str
    process: str
    how: str
    sequence: int
    bans: int
    enforces: bool
    why_not: str = ""


_MINUTE = timedelta(seconds=59, microseconds=999_999)  # rounded up: nobody comes too early


class ActiveBan(NamedTuple):
    """A network that is refused until `until`; None is for ever. `why` is for the client."""

    network: Network
    until: datetime | None
    why: str = ""

    @property
    def text(self) -> str:
        """`192.0.2.7 is banned until 2026-11-29 15:04 UTC: too many failed logins`."""
        until = f"until {self.until + _MINUTE:%Y-%m-%d %H:%M} UTC" if self.until else "for good"
        return f"{key_of(self.network)} is banned {until}: {self.why}"

    def over(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now


@lru_cache(maxsize=1_024)  # each connection asks some five times
def address_of(host: str) -> IPv4Address | IPv6Address:
    """An IPv4 address is taken out of its IPv6 form. Raises ValueError where it is no address."""
    address = ip_address(host.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def normal_address(host: str) -> str:
    """One form for each address: IPv4 as itself in its IPv6 form too, IPv6 without a zone."""
    return str(address_of(host))


@lru_cache(maxsize=1_024)
def banned_as(host: str) -> str:
    """The network that is banned when this host is.

    It is the address itself, or the IPv6 /64 around it, because one customer has all of that.
    """
    address = address_of(host)
    return str(address) if address.version == 4 else str(IPv6Network((int(address) >> 64 << 64, 64)))


def network_of(text: str) -> Network:
    """An address or a network, as it is written in events. Raises ValueError."""
    return ip_network(text, strict=False)


def unmapped(network: Network) -> Network:
    """An IPv4 network in its IPv6 form (RFC 4291 2.5.5.2) as an IPv4 network.

    Hosts are known by their IPv4 address.
    """
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((int(mapped), network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def key_of(network: Network) -> str:
    """As events write it: a single address without its length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


class Networks:
    """Networks of any length.

    Whether they hold an address costs one look-up for each length in use.
    """

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._by_length: dict[tuple[int, int], dict[int, Network]] = {}
        for network in networks:
            self.add(network)

    def add(self, network: Network) -> None:
        self._by_length.setdefault(_length(network), {})[int(network.network_address)] = network

    def discard(self, network: Network) -> None:
        length = _length(network)
        held = self._by_length.get(length, {})
        held.pop(int(network.network_address), None)
        if not held:
            self._by_length.pop(length, None)

    def covering(self, address: IPv4Address | IPv6Address) -> Iterator[Network]:
        """Every network that holds the address."""
        bits, version = int(address), address.version
        for (kind, shift), held in self._by_length.items():
            if kind == version and (found := held.get(bits >> shift << shift)):
                yield found

    def __iter__(self) -> Iterator[Network]:
        for held in self._by_length.values():
            yield from held.values()

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))


class BanTable:
    """What is banned and what is never to be, as of `sequence`.

    `never` are this process's own: loopback, its balancers.

    A ban's end is part of it, so that nobody stays locked out where banguard is away.
    """

    def __init__(self, never: Iterable[Network] = ()) -> None:
        self.sequence = 0
        self.never = (*NEVER, *never)
        self.ignored = Networks()
        self.gateways: set[str] = set()
        self._always = Networks(self.never)
        self._bans: dict[Network, ActiveBan] = {}
        self._networks = Networks()
        self.stops = StopTable()

    def __len__(self) -> int:
        return len(self._bans)

    def bans(self) -> Iterable[ActiveBan]:
        return self._bans.values()

    def apply(self, sequence: int, fact: object) -> None:
        """Folds one event in; others than ENFORCED and STOPPED change nothing.

        An account's own ignored networks are no ban's end.
        """
        self.sequence = max(sequence, self.sequence)
        self.stops.apply(fact)
        match fact:
            case HostBanned(network=network, until=until, strikes=strikes):
                self.ban(network_of(network), until, ban_cause(strikes))
            case HostUnbanned(network=network):
                self.lift(network_of(network))
            case GatewayDetected(host=host):
                self.gateways.add(normal_address(host))
            case NetworkIgnored(network=network, account=""):
                self.ignored.add(network_of(network))
            case NetworkUnignored(network=network, account=""):
                self.ignored.discard(network_of(network))
            case _:
                pass

    def ban(self, network: Network, until: datetime | None, why: str = "") -> None:
        self._bans[network] = ActiveBan(network, until, why)
        self._networks.add(network)

    def lift(self, network: Network) -> None:
        if self._bans.pop(network, None):
            self._networks.discard(network)

    def banned(self, host: str, now: datetime) -> ActiveBan | None:
        """The ban that refuses this host now."""
        if not self._bans or not host:
            return None
        address = address_of(host)
        bans = [ban for network in self._networks.covering(address) if not (ban := self._bans[network]).over(now)]
        return bans[0] if bans and not self.why_spared(address) else None

    def stopped(self, envelope: Envelope, voter: str, now: datetime, texts: AccountTexts | None) -> Vote | None:
        """The vote of `voter` against a mail whose login is stopped at its host."""
        if not self.stops or not envelope.host:
            return None
        return self.stops.objection(banned_as(envelope.host), envelope, voter, now, texts)

    def exempt(self, address: IPv4Address | IPv6Address) -> Network | None:
        """The network because of which the failures of this address do not count."""
        return next(self._always.covering(address), None) or next(self.ignored.covering(address), None)

    def why_spared(self, address: IPv4Address | IPv6Address) -> str:
        """What keeps this address from ever being refused; empty if nothing does."""
        if exempt := self.exempt(address):
            return str(exempt)
        return f"{address} is a gateway that hides clients" if str(address) in self.gateways else ""

    def answer(self, host: str, now: datetime, *, service: str, process: str, how: str) -> EnforcerStatus:
        """What this process says of a host when it is asked."""
        spared = self.why_spared(address_of(host))
        banned = self.banned(host, now)
        return EnforcerStatus(
            service=service,
            process=process,
            how=how,
            sequence=self.sequence,
            bans=len(self),
            enforces=banned is not None,
            why_not="" if banned else f"never banned: {spared}" if spared else "not banned",
        )


def ban_cause(strikes: Iterable[Strike]) -> str:
    """What a banned client may know of the reason; what a person wrote stays inside."""
    causes = {strike.cause for strike in strikes}
    if causes == {StrikeCause.SENDER_NOT_AUTHORISED}:
        return "too many unauthorised senders"
    if not causes:
        return "by an administrator"
    return "too many failures" if StrikeCause.SENDER_NOT_AUTHORISED in causes else "too many failed logins"


def _length(network: Network) -> tuple[int, int]:
    """The IP version, and by how many bits an address is shifted to be compared."""
    return network.version, network.max_prefixlen - network.prefixlen
