"""Trusted networks: which are fit to be trusted, and whose a host is."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network

from varco_common.base.errors import RefusedCommand

BROADEST = {4: 8, 6: 16}  # prefix lengths; broader ones want a reason

IPNetwork = IPv4Network | IPv6Network


def normal_network(text: str, *, forced: bool = False) -> str:
    """A network in its one way of writing: `192.0.2.7` is `192.0.2.7/32`. Raises RefusedCommand, saying what to do."""
    try:
        interface = ip_interface(text.strip())
    except ValueError:
        raise RefusedCommand(f"{text!r} is not a network: write 192.0.2.0/28, 2001:db8::/64 or an address") from None
    if interface.ip != interface.network.network_address:
        raise RefusedCommand(f"{text} has bits set beyond its prefix: the network is {interface.network}")
    network = _unmapped(interface.network)
    if network.prefixlen < BROADEST[network.version] and not forced:
        raise RefusedCommand(
            f"{network} trusts {network.num_addresses} hosts to send without a password:"
            " to do so all the same, force it and give a reason"
        )
    return str(network)


class NetworkIndex:
    """Whose a host is: the narrowest network that holds it decides."""

    def __init__(self) -> None:
        self._owners: dict[tuple[int, int], dict[int, str]] = {}

    def put(self, network: str, account: str) -> None:
        net = ip_network(network)
        self._owners.setdefault((net.version, net.prefixlen), {})[int(net.network_address)] = account

    def drop(self, network: str) -> None:
        net = ip_network(network)
        held = self._owners.get((net.version, net.prefixlen), {})
        held.pop(int(net.network_address), None)
        if not held:
            self._owners.pop((net.version, net.prefixlen), None)

    def owner(self, network: str) -> str | None:
        """The account that trusts exactly this network."""
        net = ip_network(network)
        return self._owners.get((net.version, net.prefixlen), {}).get(int(net.network_address))

    def find(self, host: str) -> tuple[str, str] | None:
        """The account and the network that a host is in; None where nobody trusts it, or it is no address."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        number, bits = int(address), address.max_prefixlen
        for length in range(bits, -1, -1):
            start = number >> (bits - length) << (bits - length)
            if account := self._owners.get((address.version, length), {}).get(start):
                kind = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
                return account, str(kind((start, length)))
        return None


def _unmapped(network: IPNetwork) -> IPNetwork:
    """`::ffff:192.0.2.0/124` is 192.0.2.0/28: a session's host is known by its IPv4 address."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((int(mapped), network.prefixlen - 96))
