"""The addresses of this machine's or container's default gateways, from Linux's routing tables.

A container engine that hides its clients (NAT) makes them all come from there.
"""

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_GATEWAY = 0x2  # RTF_GATEWAY in linux/route.h: the route leads through another machine


def default_gateways(tables: Path = Path("/proc/net")) -> tuple[str, ...]:
    """IPv4 first. Link-local ones are left out, since no client can come from behind them.

    Empty where there is no Linux.
    """
    found = (*map(str, _ipv4(_lines(tables / "route"))), *map(str, _ipv6(_lines(tables / "ipv6_route"))))
    return tuple(dict.fromkeys(found))


def _ipv4(lines: list[list[str]]) -> Iterator[IPv4Address]:
    """Columns: interface, destination, gateway, flags ...; addresses in this machine's order."""
    for _, destination, gateway, flags, *_ in lines[1:]:
        if destination == "00000000" and int(flags, 16) & _GATEWAY and int(gateway, 16):
            yield IPv4Address(int(gateway, 16).to_bytes(4, sys.byteorder))


def _ipv6(lines: list[list[str]]) -> Iterator[IPv6Address]:
    """Columns: destination, length, source, length, next hop, metric, two counts, flags ..."""
    for _, length, _, _, gateway, _, _, _, flags, *_ in lines:
        address = IPv6Address(bytes.fromhex(gateway))
        if length == "00" and int(flags, 16) & _GATEWAY and int(address) and not address.is_link_local:
            yield address


def _lines(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines() if line.strip()]
    except OSError:
        return []
