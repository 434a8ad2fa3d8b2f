"""Which account a host belongs to: the narrowest trusted network that holds it decides. Pure."""

from ipaddress import ip_network

from varco_common.events.ban_table import Network, Networks, address_of


class NetworkIndex:
    """Networks by their normal form, each with one account."""

    def __init__(self) -> None:
        self._owners: dict[Network, str] = {}
        self._networks = Networks()

    def add(self, network: str, account: str) -> None:
        self._owners[ip_network(network)] = account
        self._networks.add(ip_network(network))

    def discard(self, network: str) -> None:
        if self._owners.pop(ip_network(network), None):
            self._networks.discard(ip_network(network))

    def owner(self, network: str) -> str | None:
        """The account that trusts exactly this network."""
        return self._owners.get(ip_network(network))

    def find(self, host: str) -> tuple[str, str] | None:
        """The account and the network of a host; None if no account trusts it."""
        try:
            address = address_of(host)
        except ValueError:
            return None
        network = max(self._networks.covering(address), key=lambda network: network.prefixlen, default=None)
        return (self._owners[network], str(network)) if network else None
