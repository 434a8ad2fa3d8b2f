"""Addresses that a customer's route may not lead to: this machine, its network, its cloud. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_RESERVED = (
    ip_network("168.63.129.16/32"),  # metadata of Azure and, in the next one, of Oracle: they look public
    ip_network("192.0.0.0/24"),
    ip_network("64:ff9b:1::/48"),  # NAT64 with a local prefix (RFC 8215)
    ip_network("::/96"),  # IPv4-compatible and site-local addresses, given up by RFC 4291 and RFC 3879
    ip_network("fec0::/10"),
)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052 2.1: an IPv4 address is in the last 32 bits
_LOCAL_NAMES = ("localhost", "local", "internal", "home.arpa")


def is_private(address: str) -> bool:
    """Whether the address is anything but a public unicast one. Raises ValueError."""
    plain = _unwrapped(ip_address(address.partition("%")[0]))
    reserved = any(plain in network for network in _RESERVED if network.version == plain.version)
    return reserved or not plain.is_global or plain.is_multicast


def is_private_host(host: str) -> bool:
    """Whether the host of a route is a private address, or a name that only means one.

    Any other name is resolved when connecting, and its addresses are checked then.
    """
    try:
        return is_private(host)
    except ValueError:
        labels = host.lower().rstrip(".")
        return "." not in labels or any(labels.endswith(f".{name}") for name in _LOCAL_NAMES)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address carries (mapped, NAT64, 6to4, Teredo), else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
