"""The address of a next hop, and how a route is written as text."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, Self

from varco_common.events import Blackhole, Route, Smarthost, TlsUse

SUBMISSIONS_PORT = 465  # RFC 8314 3.3: TLS from the first byte
BLACKHOLE: Literal["blackhole"] = "blackhole"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTarget:
    """A next hop with its credentials. Accounts with the same target share its connections.

    With `public_only` no connection is made to a private address.
    """

    host: str
    port: int
    tls: TlsUse = TlsUse.OPPORTUNISTIC
    login: str = ""
    password: str = ""
    public_only: bool = False

    @classmethod
    def of(cls, route: Smarthost, password: str) -> Self:
        """The target of a route, whose password is decrypted."""
        return cls(
            host=route.host,
            port=route.port,
            tls=route.tls,
            login=route.login,
            password=password,
            public_only=route.public_only,
        )

    @property
    def name(self) -> str:
        return format_smarthost(self.host, self.port)

    @property
    def implicit_tls(self) -> bool:
        return self.port == SUBMISSIONS_PORT and self.tls is not TlsUse.NONE

    def __repr__(self) -> str:  # without the password: targets appear in logs and tracebacks
        return f"SmtpTarget({self.name}, tls={self.tls}, login={self.login!r})"


def format_smarthost(host: str, port: int) -> str:
    """`host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_smarthost(text: str) -> tuple[str, int]:
    """Reads `host:port`, `[::1]:port`, or `host` alone, whose port is 25.

    Raises ValueError, whose text says what is expected.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or (port.endswith("]") and host.startswith("[")):
        host, port = text.strip(), "25"
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not _is_host(host, bracketed=bracketed) or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError("expected a next hop as host:port, such as mx.provider.example:25")
    return host, int(port)


def describe_route(route: Route | None) -> str:
    """The route for people, without its password."""
    match route:
        case None:
            return "none"
        case Blackhole():
            return BLACKHOLE
        case Smarthost():
            login = f" as {route.login}" if route.login else ""
            return f"{format_smarthost(route.host, route.port)} tls {route.tls}{login}"


def route_section(route: Route | None) -> dict[str, str] | Literal["blackhole"] | None:
    """As an account file has it, without the password."""
    match route:
        case None:
            return None
        case Blackhole():
            return BLACKHOLE
        case Smarthost(host=host, port=port, tls=tls, login=login):
            shown = {"smarthost": format_smarthost(host, port), "tls": str(tls)}
            return shown | ({"login": login} if login else {})


def _is_host(host: str, *, bracketed: bool) -> bool:
    """Whether a connection to it could be tried: a name that IDNA takes, or an address."""
    allowed = ":.%" if bracketed else ".-_"
    if not (0 < len(host) < 254 and all(c.isalnum() or c in allowed for c in host)):
        return False
    try:
        return bool(ip_address(host)) if ":" in host else bool(host.encode("idna"))
    except ValueError:  # UnicodeError is one
        return False
