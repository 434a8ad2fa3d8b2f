"""Where an account's mail goes, and how long to wait when it can't."""

from dataclasses import dataclass
from typing import Literal

from varco_common.events import TlsUse

SUBMISSIONS_PORT = 465  # RFC 8314 3.3: TLS from the first byte
BLACKHOLE: Literal["blackhole"] = "blackhole"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTarget:
    """A next hop with all that is needed to talk to it. Accounts with the same target share its connections."""

    host: str
    port: int
    tls: TlsUse = TlsUse.OPPORTUNISTIC
    login: str = ""
    password: str = ""

    @property
    def name(self) -> str:
        return format_smarthost(self.host, self.port)

    @property
    def implicit_tls(self) -> bool:
        return self.port == SUBMISSIONS_PORT and self.tls is not TlsUse.NONE

    def __repr__(self) -> str:  # without the password: targets turn up in logs and tracebacks
        return f"Target({self.name}, tls={self.tls}, login={self.login!r})"


def format_smarthost(host: str, port: int) -> str:
    """`host:port`; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_smarthost(text: str) -> tuple[str, int]:
    """Reads `host:port`, `[::1]:port`, or `host` alone, whose port is 25. Raises ValueError saying what is expected."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or (port.endswith("]") and host.startswith("[")):
        host, port = text.strip(), "25"
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not _is_host(host, bracketed=bracketed) or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError("expected a next hop as host:port, such as mx.provider.example:25")
    return host, int(port)


def backoff(failures: int, random: float, first: float, longest: float) -> float:
    """Seconds until a route that failed `failures` times in a row is tried again; `random` is uniform in [0, 1)."""
    return float(min(first * 2 ** min(failures - 1, 32), longest) * (0.75 + 0.5 * random))


def _is_host(host: str, *, bracketed: bool) -> bool:
    allowed = ":.%" if bracketed else ".-_"
    return 0 < len(host) < 254 and all(c.isalnum() or c in allowed for c in host)
