"""From which addresses our mail leaves, where nobody says so."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

_PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # RFC 5737, 3849: nobody's
_PORT = 25


def checked_addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses in their usual form. Raises ValueError."""
    try:
        return tuple(str(ip_address(address)) for address in value)
    except ValueError:
        raise ValueError("IP addresses such as 192.0.2.7,2001:db8::7, parted by commas") from None


def own_addresses() -> Sequence[str]:
    """The public addresses that the system would use. Behind NAT it has none.

    No packet is sent: connecting a UDP socket only chooses its address.
    """
    found = []
    for family, target in _PROBES:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, _PORT))
                found.append(probe.getsockname()[0])
        except OSError:
            continue
    return [address for address in found if ip_address(address).is_global]
