"""The normal form of a network that a person names, or what is wrong with it. Pure."""

from varco_common.base.errors import RefusedCommand
from varco_common.events.ban_table import Network, banned_as, network_of, unmapped

BROADEST = {4: 8, 6: 19}  # prefix lengths; a broader network is taken for a slip
BROADEST_OF_ACCOUNTS = {4: 24, 6: 48}


def normal_network(text: str) -> Network:
    """An address or a network; a single IPv6 address stands for its /64. Raises RefusedCommand."""
    try:
        network = unmapped(network_of(text.strip()))
        if network.version == 6 and network.prefixlen > 64:
            network = network_of(banned_as(str(network.network_address)))
    except ValueError:
        raise RefusedCommand(f"{text}: expected an address or a network such as 192.0.2.7 or 192.0.2.0/28") from None
    if network.prefixlen < BROADEST[network.version]:
        raise RefusedCommand(f"{text} is broader than /{BROADEST[network.version]}")
    return network


def normal_ignored_network(text: str, account: str) -> Network:
    """As `normal_network`.

    An account may only ignore narrow networks; `account` is empty for an admin.
    """
    network = normal_network(text)
    broadest = BROADEST_OF_ACCOUNTS[network.version]
    if account and network.prefixlen < broadest:
        raise RefusedCommand(f"an account may ignore networks up to /{broadest}; broader ones are an admin's")
    return network
