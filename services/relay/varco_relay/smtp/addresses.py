"""The addresses of a next hop: which of them are tried, and from which of the gate's."""

import asyncio
import socket
from ipaddress import ip_address

from varco_common.dns import Found, Resolver, Unknown
from varco_common.events import AddressFamilies
from varco_relay.smtp.target import SmtpTarget

_MAX_ADDRESSES = 6  # of one host, in one attempt


async def addresses_of(target: SmtpTarget, resolver: Resolver) -> list[str]:
    """IPv4 before IPv6: receivers are harder on IPv6. Raises OSError."""
    if _is_address(target.host) or not target.by_dns:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
    addresses: list[str] = []
    unknown = ""
    for version, question in ((4, resolver.a), (6, resolver.aaaa)):
        if not _wanted(target, version):
            continue
        answer = await question(target.host)
        if isinstance(answer, Found):
            addresses += answer.records[: _MAX_ADDRESSES // 2]
        elif isinstance(answer, Unknown):
            unknown = answer.reason
    if not addresses:
        raise OSError(f"DNS gives no answer: {unknown}" if unknown else "it has no address that this route may use")
    return addresses


def source_for(target: SmtpTarget, address: str) -> str:
    """The gate's address for a connection to this one; empty: the system chooses."""
    version = ip_address(address.partition("%")[0]).version
    return next((source for source in target.source if ip_address(source).version == version), "")


def _wanted(target: SmtpTarget, version: int) -> bool:
    """By choice, and where the gate's own addresses are given, only from one of these."""
    only = {AddressFamilies.IPV4: 4, AddressFamilies.IPV6: 6}.get(target.families, version)
    return version == only and (not target.source or any(ip_address(s).version == version for s in target.source))


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host.partition("%")[0]))
    except ValueError:
        return False
