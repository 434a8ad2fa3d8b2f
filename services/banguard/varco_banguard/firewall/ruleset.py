"""Table `inet varco` as JSON for nft (libnftables-json(5)): sets, and a chain that rejects."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import collapse_addresses
from typing import Any

from varco_common.events.ban_table import ActiveBan, Network

FAMILY, TABLE = "inet", "varco"
IPV6_HOST_PREFIX = 64  # an IPv6 /64 is banned as one host
Command = dict[str, Any]
_IN_TABLE = {"family": FAMILY, "table": TABLE}
_TABLE = {"family": FAMILY, "name": TABLE}
_IPV6_HOST_MASK = "ffff:ffff:ffff:ffff::"
_SETS = {"banned": ["timeout"], "networks": ["interval"], "never": ["interval"]}  # their flags; one set an IP version


def build(ports: Sequence[int], bans: Iterable[ActiveBan], never: Iterable[Network], now: datetime) -> list[Command]:
    """The whole table in one transaction. It replaces a table that an earlier agent left."""
    bans = list(bans)
    chain = {**_IN_TABLE, "name": "input", "type": "filter", "hook": "input", "prio": -10, "policy": "accept"}
    return [
        {"add": {"table": _TABLE}},
        {"delete": {"table": _TABLE}},
        {"add": {"table": {**_TABLE, "comment": "kept by varco-firewall"}}},
        *(_set(f"{kind}{version}", version, flags) for kind, flags in _SETS.items() for version in (4, 6)),
        {"add": {"chain": chain}},
        *(_rule(version, "never", ports, "accept") for version in (4, 6)),
        *(_rule(version, kind, ports, "reject") for kind in ("banned", "networks") for version in (4, 6)),
        *replace_networks("never", never),
        *replace_networks("networks", (ban.network for ban in bans if not is_host(ban.network))),
        *(command for ban in bans if is_host(ban.network) for command in ban_host(ban, now)),
    ]


def remove() -> list[Command]:
    return [{"delete": {"table": _TABLE}}]


def is_host(network: Network) -> bool:
    """Whether it is banned as one host: in a set whose elements have a timeout each."""
    return network.prefixlen == (32 if network.version == 4 else IPV6_HOST_PREFIX)


def ban_host(ban: ActiveBan, now: datetime) -> list[Command]:
    """Adds a host, or changes the end of its ban: the transaction also removes an old element."""
    if ban.over(now):
        return []
    address = str(ban.network.network_address)
    element: Any = address
    if ban.until is not None:
        element = {"elem": {"val": address, "timeout": max(round((ban.until - now).total_seconds()), 1)}}
    hosts = {**_IN_TABLE, "name": f"banned{ban.network.version}"}
    return [*unban_host(ban.network), {"add": {"element": {**hosts, "elem": [element]}}}]


def unban_host(network: Network) -> list[Command]:
    """Adds the host, then deletes it: a delete fails if the kernel has ended the ban already."""
    element = {**_IN_TABLE, "name": f"banned{network.version}", "elem": [str(network.network_address)]}
    return [{"add": {"element": element}}, {"delete": {"element": element}}]


def replace_networks(kind: str, networks: Iterable[Network]) -> list[Command]:
    """Replaces a whole set of networks.

    They are collapsed first, because intervals may not overlap.
    """
    commands: list[Command] = []
    networks = list(networks)
    for version in (4, 6):
        name = f"{kind}{version}"
        commands.append({"flush": {"set": {**_IN_TABLE, "name": name}}})
        collapsed = collapse_addresses(network for network in networks if network.version == version)  # type: ignore[type-var]
        elements = [{"prefix": {"addr": str(each.network_address), "len": each.prefixlen}} for each in collapsed]
        if elements:
            commands.append({"add": {"element": {**_IN_TABLE, "name": name, "elem": elements}}})
    return commands


def _set(name: str, version: int, flags: list[str]) -> Command:
    return {"add": {"set": {**_IN_TABLE, "name": name, "type": f"ipv{version}_addr", "flags": flags}}}


def _rule(version: int, kind: str, ports: Sequence[int], verdict: str) -> Command:
    source: Any = {"payload": {"protocol": "ip" if version == 4 else "ip6", "field": "saddr"}}
    if version == 6 and kind == "banned":
        source = {"&": [source, _IPV6_HOST_MASK]}
    actions: list[Any] = (
        [{"accept": None}] if verdict == "accept" else [{"counter": None}, {"reject": {"type": "tcp reset"}}]
    )
    expression = [
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [*ports]}}},
        {"match": {"op": "==", "left": source, "right": f"@{kind}{version}"}},
        *actions,
    ]
    return {"add": {"rule": {**_IN_TABLE, "chain": "input", "expr": expression}}}
