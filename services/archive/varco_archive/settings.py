"""archive's own settings."""

import socket
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from varco_archive import normalization
from varco_common.base.errors import RefusedCommand
from varco_common.base.settings import CommaList, Duration, Port, Size, env_prefix, matches
from varco_common.bus.settings import WithBus
from varco_common.runtime.settings import WithApi
from varco_common.storage.settings import WithDatabase, WithObjectStore


def _return_path(text: str) -> str:
    try:
        return normalization.address(text) if text else ""
    except RefusedCommand as refusal:
        raise ValueError(str(refusal)) from None


class Settings(WithBus, WithApi, WithDatabase, WithObjectStore):
    """`VARCO_ARCHIVE_*`, and what is shared. Ports of 0 are not listened on."""

    model_config = env_prefix("VARCO_ARCHIVE_")

    pop3_port: Port = Field(default=2110, validation_alias="VARCO_POP3_PORT", description="POP3 with STLS; 0 for none.")
    pop3s_port: Port = Field(
        default=2995, validation_alias="VARCO_POP3S_PORT", description="POP3 inside TLS; 0 for none."
    )
    mail_days: float = Field(
        default=7.0,
        gt=0,
        validation_alias="VARCO_NATS_MAIL_DAYS",
        description="How long accepted mail is kept, in days: no copy is kept longer.",
    )
    hostname: Annotated[str, matches(r"[A-Za-z0-9.-]{1,255}", "a host name")] = Field(
        default_factory=socket.getfqdn, description="The name in greetings, and in what is said about forwarded copies."
    )
    certificates: CommaList = Field(
        default=(),
        description="certificate:key files in PEM, parted by commas. Empty: each <name>.crt with <name>.key in VARCO_HOME/tls.",
    )
    return_path: Annotated[str, AfterValidator(_return_path)] = Field(
        default="",
        description="Envelope sender of forwarded copies, where an account names none: an address whose bounces an operator "
        "reads. Empty: the null sender <>, so that nobody is sent any.",
    )
    max_connections: int = Field(default=200, ge=1, description="Open POP3 connections.")
    max_connections_per_host: int = Field(default=20, ge=1, description="Open POP3 connections of one client address.")
    idle: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a session waits for the next command, or for a client that doesn't read (RFC 1939 3).",
    )
    session: Duration = Field(
        default=timedelta(hours=6),
        description="How long a session lasts at most, however busy it is: what is due to be removed waits for its end.",
    )
    login_idle: Duration = Field(
        default=timedelta(minutes=1), description="How long a session waits for a command before its login."
    )
    guard_interval: Duration = Field(
        default=timedelta(seconds=1),
        description="At a mailbox that many hosts guess at, hosts that it isn't known from get one try each so long.",
    )
    guard_waiting: int = Field(default=10, ge=1, description="How many of them may wait for their turn.")
    handshake_timeout: Duration = Field(default=timedelta(seconds=30), description="How long a TLS handshake may take.")
    sweep: Duration = Field(
        default=timedelta(minutes=1), description="How often copies are looked for whose time is over."
    )
    argon2_memory_kib: int = Field(
        default=65_536,
        ge=8_192,
        description="Memory of one argon2id hash, in KiB, for passwords that are set from now on.",
    )
    ack_wait: Duration = Field(
        default=timedelta(seconds=5),
        description="How long after a crash the records that were in hand are taken up again.",
    )
    batch: int = Field(default=500, ge=1, le=10_000, description="Copies that are indexed in one transaction at most.")
    batch_bytes: Size = Field(default=16 * 1024 * 1024, description="Bytes of records in hand at once.")
