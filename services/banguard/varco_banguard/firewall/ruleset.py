"""Table `inet varco` as nft's JSON (libnftables-json(5)): what is banned, and one chain that refuses it. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import collapse_addresses
from typing import Any

from varco_common.events.ban_table import ActiveBan, Network

FAMILY, TABLE = "inet", "varco"
Command = dict[str, Any]
V6_HOST = 64  # the prefix that is banned as one host
_ABOUT = {"family": FAMILY, "table": TABLE}
_HALF = "ffff:ffff:ffff:ffff::"


def build(ports: Sequence[int], bans: Iterable[ActiveBan], never: Iterable[Network], now: datetime) -> list[Command]:
    """The whole table in one transaction, in the place of one that an earlier agent left."""
    kept = list(bans)
    return [
        {"add": {"table": {"family": FAMILY, "name": TABLE}}},
        {"delete": {"table": {"family": FAMILY, "name": TABLE}}},
        {"add": {"table": {"family": FAMILY, "name": TABLE, "comment": "kept by varco-firewall"}}},
        *(_set(f"{kind}{version}", version, flags) for kind, flags in _SETS.items() for version in (4, 6)),
        {
            "add": {
                "chain": {**_ABOUT, "name": "input", "type": "filter", "hook": "input", "prio": -10, "policy": "accept"}
            }
        },
        *(_rule(version, "never", ports, "accept") for version in (4, 6)),
        *(_rule(version, kind, ports, "reject") for kind in ("banned", "networks") for version in (4, 6)),
        *networks("never", never),
        *networks("networks", (ban.network for ban in kept if not single(ban.network))),
        *(command for ban in kept if single(ban.network) for command in ban_host(ban, now)),
    ]


def remove() -> list[Command]:
    return [{"delete": {"table": {"family": FAMILY, "name": TABLE}}}]


def single(network: Network) -> bool:
    """Whether it has its place in the sets of hosts, where each entry ends by itself."""
    return network.prefixlen == (32 if network.version == 4 else V6_HOST)


def ban_host(ban: ActiveBan, now: datetime) -> list[Command]:
    """Adds a host, or gives it another end: what is there is taken out in the same transaction."""
    if ban.over(now):
        return []
    address = str(ban.network.network_address)
    element: Any = address
    if ban.until is not None:
        element = {"elem": {"val": address, "timeout": max(round((ban.until - now).total_seconds()), 1)}}
    about = {**_ABOUT, "name": f"banned{ban.network.version}"}
    plain = {"element": {**about, "elem": [address]}}
    return [{"add": plain}, {"delete": plain}, {"add": {"element": {**about, "elem": [element]}}}]


def lift_host(network: Network) -> list[Command]:
    """Nothing happens where the kernel has ended it already."""
    about = {**_ABOUT, "name": f"banned{network.version}", "elem": [str(network.network_address)]}
    return [{"add": {"element": about}}, {"delete": {"element": about}}]


def networks(kind: str, held: Iterable[Network]) -> list[Command]:
    """Replaces a whole set of networks: intervals may not overlap, so they are collapsed first."""
    commands: list[Command] = []
    all_held = list(held)
    for version in (4, 6):
        about = {**_ABOUT, "name": f"{kind}{version}"}
        commands.append({"flush": {"set": about}})
        collapsed = collapse_addresses(network for network in all_held if network.version == version)  # type: ignore[type-var]
        elements = [{"prefix": {"addr": str(one.network_address), "len": one.prefixlen}} for one in collapsed]
        if elements:
            commands.append({"add": {"element": {**about, "elem": elements}}})
    return commands


_SETS = {"banned": ["timeout"], "networks": ["interval"], "never": ["interval"]}


def _set(name: str, version: int, flags: list[str]) -> Command:
    return {"add": {"set": {**_ABOUT, "name": name, "type": f"ipv{version}_addr", "flags": flags}}}


def _rule(version: int, kind: str, ports: Sequence[int], verdict: str) -> Command:
    source: Any = {"payload": {"protocol": "ip" if version == 4 else "ip6", "field": "saddr"}}
    if version == 6 and kind == "banned":
        source = {"&": [source, _HALF]}
    expression = [
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [*ports]}}},
        {"match": {"op": "==", "left": source, "right": f"@{kind}{version}"}},
        {"accept": None} if verdict == "accept" else {"counter": None},
        *([] if verdict == "accept" else [{"reject": {"type": "tcp reset"}}]),
    ]
    return {"add": {"rule": {**_ABOUT, "chain": "input", "expr": expression}}}
