"""What the administrator says about the company and its gate."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from varco_cli.failures import Misused

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
LOW_PORTS = {"VARCO_SMTP_PORT": 25, "VARCO_SUBMISSION_PORT": 587, "VARCO_SMTPS_PORT": 465}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """`next_hop` is host:port, or empty where mail goes nowhere yet (a black hole)."""

    domain: str
    hostname: str
    next_hop: str
    next_hop_login: str
    next_hop_password: str
    senders: tuple[str, ...]
    networks: tuple[str, ...]
    user: str
    directory: Path

    @property
    def account(self) -> str:
        """Returns the account's name: the first label of the domain."""
        return self.domain.partition(".")[0]

    @property
    def next_hop_address(self) -> tuple[str, int]:
        host, _, port = self.next_hop.rpartition(":")
        return host.strip("[]"), int(port)


def domain_name(text: str) -> str:
    """Returns a domain or host name in small letters. Raises Misused."""
    name = text.strip().rstrip(".").lower()
    try:
        name = name.encode("idna").decode()
    except UnicodeError:
        raise Misused(f"{text}: expected a domain, such as acme.example") from None
    if not _NAME.fullmatch(name):
        raise Misused(f"{text}: expected a domain with a dot, such as acme.example")
    return name


def next_hop(text: str) -> str:
    """Returns host:port. Without a port it is 587; empty and `none` are no next hop."""
    text = text.strip()
    if text.lower() in ("", "none"):
        return ""
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, "587"
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise Misused(f"{text}: expected a host and its port, such as smtp.provider.example:587")
    return f"{host}:{port}"


def senders(text: str, domain: str) -> tuple[str, ...]:
    """Returns addresses and @domains. Empty: every address of the domain."""
    patterns = tuple(part for part in re.split(r"[,\s]+", text) if part) or (f"@{domain}",)
    for pattern in patterns:
        if pattern.count("@") != 1 or pattern.endswith("@"):
            raise Misused(f"{pattern}: expected an address or a domain, such as sales@{domain} or @{domain}")
    return patterns


def networks(text: str) -> tuple[str, ...]:
    """Returns networks whose hosts may send without a login."""
    parts = [part for part in re.split(r"[,\s]+", text) if part and part != "none"]
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in parts)
    except ValueError as error:
        raise Misused(f"{error}: expected a network, such as 192.0.2.0/28") from None
