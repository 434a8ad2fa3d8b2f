"""What ingress-smtp can be told: ports, certificates, bounds, voters."""

import socket
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from varco_common.base.settings import CommaList, Duration, Size, env_prefix, matches
from varco_common.bus.settings import WithMailDays
from varco_common.runtime.settings import ServiceSettings, WithBalancers, WithSmtpPorts, WithVoters
from varco_common.storage.settings import WithObjectStore

KIB = 1024
MIB = 1024 * KIB


class Settings(ServiceSettings, WithObjectStore, WithBalancers, WithMailDays, WithSmtpPorts, WithVoters):
    """Ports of 0 are not listened on; sizes are bytes."""

    model_config = env_prefix("VARCO_INGRESS_")

    vote_timeout: Duration = Field(default=timedelta(seconds=5), description="How long a ballot waits for its votes.")
    processes: int = Field(default=1, ge=1, le=64, description="Processes that share the ports.")
    hostname: Annotated[str, matches(r"[A-Za-z0-9.-]{1,255}", "a host name")] = Field(
        default_factory=socket.gethostname, description="The name in greetings, Received fields and Message-IDs."
    )
    certificates: CommaList = Field(
        default=(),
        description="certificate:key files in PEM, parted by commas. Empty: each <name>.crt with <name>.key in VARCO_HOME/tls.",
    )
    max_size: Size = Field(default=100 * MIB, description="The largest mail that any account may send.")
    inline: Size = Field(
        default=2 * MIB,
        le=3 * MIB,
        description="Up to this size a body travels in its record; else in the object store, which costs more for each byte.",
    )
    memory: Size = Field(
        default=64 * MIB,
        description="What the bodies of all sessions of a process may take in memory; what finds no room waits on disk.",
    )
    max_connections: int = Field(default=1000, ge=1, description="Open connections in each process.")
    max_connections_per_host: int = Field(
        default=50, ge=1, description="Open connections of one client address in each process."
    )
    max_errors: int = Field(
        default=10, ge=1, description="Rejected commands in one session before it is closed with 421."
    )
    max_recipients: int = Field(
        default=1000, ge=100, description="Recipients of one mail, whatever the account's rule (RFC 5321 4.5.3.1.8)."
    )
    max_line: int = Field(
        default=1000, ge=1000, description="Bytes in a line of a mail, with its CRLF (RFC 5321 4.5.3.1.6)."
    )
    max_command: int = Field(
        default=512,
        ge=512,
        description="Bytes in a command line, what extensions add not counted (RFC 5321 4.5.3.1.4).",
    )
    command_timeout: Duration = Field(
        default=timedelta(minutes=5), description="How long a session waits for the next command (RFC 5321 4.5.3.2.7)."
    )
    handshake_timeout: Duration = Field(default=timedelta(seconds=30), description="How long a TLS handshake may take.")
    data_grace: Duration = Field(
        default=timedelta(seconds=60), description="How long a body may come in as slowly as it likes."
    )
    data_rate: Size = Field(
        default=KIB, ge=1, description="Bytes a second that a body must reach on average thereafter."
    )
    discard: Size = Field(
        default=64 * MIB, description="How much of a refused body is read so that the client hears why."
    )
    remember: Duration = Field(
        default=timedelta(minutes=10), description="How long a verified login or network is remembered, in memory."
    )
    remember_networks: int = Field(default=10_000, ge=1, description="How many client addresses are remembered.")
    guard_interval: Duration = Field(
        default=timedelta(seconds=1),
        description="At a login that many hosts guess at, hosts that it isn't known from get one try each so long.",
    )
    guard_waiting: int = Field(
        default=10, ge=1, description="How many of them may wait for their turn; the others hear 454."
    )
    port_reuse: bool = Field(
        default=False, description="Share the ports with other processes that do so too (SO_REUSEPORT)."
    )

    @property
    def mail_kept(self) -> timedelta:
        return timedelta(days=self.mail_days)
