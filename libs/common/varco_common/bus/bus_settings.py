"""How to reach the bus, and how much its streams may hold.

Apart from the variables, because the supervisor of `varco up` does without pydantic.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

DAY = 86_400.0
TEN_YEARS = 3_653 * DAY  # how long stream EVENTS keeps an event
MAX_PAYLOAD = 4 * 1024 * 1024  # the server's `max_payload`: the largest inline body, its record and room to spare


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """The servers of the bus, the user, and the limits of the streams.

    `url` names one server or several, separated by commas: `nats://host:port`, or `tls://host:port`
    for servers with TLS from the first byte (`handshake_first`). `ca_file` has the certificates
    that sign theirs (None: the system's). The password is read from `password_file` at each
    connect, so that a new one takes effect. `mail_max_bytes` and `events_max_bytes` are bytes on
    disk; -1 is no limit.
    """

    url: str = "nats://127.0.0.1:4222"
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    replicas: int = 1
    mail_max_bytes: int = -1
    events_max_bytes: int = -1
    mail_days: float = 7.0
    append_timeout_seconds: float = 10.0  # a cluster elects a new leader within four to nine seconds

    @property
    def servers(self) -> list[tuple[str, int]]:
        """Host and port of each server, in the order given."""
        addresses = [
            part.strip().removeprefix("nats://").removeprefix("tls://").rstrip("/") for part in self.url.split(",")
        ]
        pairs = [(host.strip("[]"), port) for host, _, port in (server.rpartition(":") for server in addresses)]
        if not all(host and "/" not in host and port.isdigit() for host, port in pairs):
            raise ValueError(f"not a list of nats://host:port: {self.url}")
        return [(host, int(port)) for host, port in pairs]

    @property
    def is_local(self) -> bool:
        """Whether every server runs on this machine."""
        return all(host in ("localhost", "::1") or host.startswith("127.") for host, _ in self.servers)

    def context(self) -> ssl.SSLContext | None:
        """The TLS context; None without TLS.

        Raises ValueError if only some URLs have tls://, and OSError.
        """
        with_tls = {part.strip().startswith("tls://") for part in self.url.split(",")}
        if len(with_tls) > 1:
            raise ValueError(f"all of them, or none, with tls://: {self.url}")
        return ssl.create_default_context(cafile=self.ca_file) if True in with_tls else None

    def password(self) -> str:
        """The password, read from the file now; empty if no file is named."""
        return self.password_file.read_text().strip() if self.password_file else ""
