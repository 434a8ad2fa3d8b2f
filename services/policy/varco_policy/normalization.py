"""The normal form of logins, networks, host names and extensions. Pure.

Each function raises RefusedCommand, whose text says how to write it.
"""

import re
from ipaddress import ip_interface

from varco_common.base.errors import RefusedCommand
from varco_common.events.ban_table import unmapped
from varco_common.mail.sender_patterns import HOST_NAME, normal

RESERVED_NAMES = frozenset({"admin"})  # the scope of tokens that are valid for all accounts
BROADEST = {4: 8, 6: 16}  # prefix lengths; a broader network is only trusted by force

_LOGIN = re.compile(r"[^\s:\x00-\x1f\x7f]{1,254}")
_EXTENSION = re.compile(r"[a-z0-9][a-z0-9_+-]{0,15}")


def normal_login(text: str) -> str:
    """Lower case. Blanks and colons are refused: colons separate the fields of passwd files."""
    login = text.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise RefusedCommand(f"{text!r} is no login: up to 254 characters without blanks and colons")
    return login


def normal_network(text: str, *, forced: bool = False) -> str:
    """CIDR: `192.0.2.7` becomes `192.0.2.7/32`. A network broader than BROADEST must be forced."""
    try:
        interface = ip_interface(text.strip())
    except ValueError:
        raise RefusedCommand(f"{text!r} is not a network: write 192.0.2.0/28, 2001:db8::/64 or an address") from None
    if interface.ip != interface.network.network_address:
        raise RefusedCommand(f"{text} has bits set beyond its prefix: the network is {interface.network}")
    network = unmapped(interface.network)
    if network.prefixlen < BROADEST[network.version] and not forced:
        raise RefusedCommand(
            f"{network} trusts {network.num_addresses} hosts to send without a password:"
            " to do so all the same, force it and give a reason"
        )
    return str(network)


def normal_host_name(text: str) -> str:
    """Lower case; internationalised names in their ASCII form."""
    name = normal(f"x@{text.strip().rstrip('.')}")[2:]
    if len(name) > 253 or not HOST_NAME.fullmatch(name):
        raise RefusedCommand(f"{text!r} is no host name")
    return name


def normal_extension(text: str) -> str:
    """Lower case, without the dot."""
    extension = text.strip().lower().removeprefix("*").removeprefix(".")
    if not _EXTENSION.fullmatch(extension):
        raise RefusedCommand(f"{text!r} is no extension: write pdf, or gz (the last one is what counts)")
    return extension
