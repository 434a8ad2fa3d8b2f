"""Which TCP ports of this machine are taken, as the kernel lists them (proc(5))."""

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"


class Listener(NamedTuple):
    """A port that is taken at an address; `0.0.0.0` and `::` stand for all of them."""

    address: str
    port: int


def listeners(tables: Path = Path("/proc/net")) -> set[Listener]:
    """Returns the ports that programs listen on; none where the kernel doesn't show them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (tables / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for place, state in (line.split()[1:4:2] for line in lines):
            if state == _LISTEN:
                address, _, port = place.partition(":")
                found.add(Listener(_address(address), int(port, 16)))
    return found


def _address(digits: str) -> str:
    """The kernel writes an address as words of four bytes, each in the order of the machine."""
    words = [bytes.fromhex(digits[place : place + 8])[::-1] for place in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def clashes(wanted: Listener, taken: Listener) -> bool:
    """Says whether one excludes the other."""
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - only compared with
    anywhere = wanted.address in everywhere or taken.address in everywhere
    return wanted.port == taken.port and (anywhere or wanted.address == taken.address)


def is_own(address: str) -> bool:
    """Says whether this machine has the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
