"""The address of a next hop, and how it is written as text."""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Self

from varco_common.dns.answers import TlsaRecord
from varco_common.events import AddressFamilies, Smarthost, TlsUse
from varco_relay.oauth.credentials import OAuthCredentials

SUBMISSIONS_PORT = 465  # RFC 8314 3.3: TLS from the first byte
MX_PREFIX = "mx:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTarget:
    """A next hop with its credentials. Accounts with the same target share its connections.

    With `oauth` a token takes the place of the password. With `public_only` no connection is made
    to a private address. With `by_dns` the host is one that MX records name; then `families` and
    `source` say how it is reached, `source` being the gate's own addresses. `dane` has the TLSA
    records that its certificate must match (RFC 7672). `certificate` is the name that its
    certificate must have where that is not the host's. Without `proven` only plain DNS says that
    mail may go to this host, so its own certificate proves nothing. `tested`: whether the
    certificate could be verified is only found out, for a report.
    """

    host: str
    port: int
    tls: TlsUse = TlsUse.OPPORTUNISTIC
    login: str = ""
    password: str = ""
    oauth: OAuthCredentials | None = None
    public_only: bool = False
    by_dns: bool = False
    families: AddressFamilies = AddressFamilies.BOTH
    source: tuple[str, ...] = ()
    dane: tuple[TlsaRecord, ...] = ()
    certificate: str = ""
    proven: bool = True
    tested: bool = False

    @classmethod
    def of(cls, route: Smarthost, password: str, oauth: OAuthCredentials | None = None) -> Self:
        """The target of a route, whose secrets are decrypted."""
        return cls(
            host=route.host,
            port=route.port,
            tls=route.tls,
            login=route.login,
            password=password,
            oauth=oauth,
            public_only=route.public_only,
        )

    def at(self, host: str) -> Self:
        """The same session with a host that MX records name."""
        return replace(self, host=host, by_dns=True, proven=False)

    @property
    def name(self) -> str:
        return format_smarthost(self.host, self.port)

    @property
    def tls_name(self) -> str:
        """The name that is asked for in TLS, and verified."""
        return self.certificate or self.host

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


def parse_next_hop(text: str) -> tuple[str, int, bool]:
    """As `parse_smarthost`; or `mx:name`, for which the third value is true.

    Raises ValueError.
    """
    name = text.strip()
    looked_up = (
        name.startswith(MX_PREFIX) and not name.removeprefix(MX_PREFIX).isdecimal()
    )  # mx:25 is a host and a port
    host, port = parse_smarthost(name.removeprefix(MX_PREFIX) if looked_up else name)
    if looked_up and _is_address(host):
        raise ValueError("expected a name after mx:, not an address")
    return host, port, looked_up


def format_next_hop(host: str, port: int, *, mx: bool) -> str:
    """As `parse_next_hop` reads it."""
    return f"{MX_PREFIX}{host}{'' if port == 25 else f':{port}'}" if mx else format_smarthost(host, port)


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_host(host: str, *, bracketed: bool) -> bool:
    """Whether a connection to it could be tried: a name that IDNA takes, or an address."""
    allowed = ":.%" if bracketed else ".-_"
    if not (0 < len(host) < 254 and all(c.isalnum() or c in allowed for c in host)):
        return False
    try:
        return bool(ip_address(host)) if ":" in host else bool(host.encode("idna"))
    except ValueError:  # UnicodeError is one
        return False
