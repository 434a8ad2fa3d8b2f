"""archive's settings."""

import socket
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from varco_archive import normalization
from varco_common.base.errors import RefusedCommand
from varco_common.base.settings import CommaList, Duration, Port, env_prefix, matches
from varco_common.bus.settings import WithBus
from varco_common.runtime.settings import WithApi
from varco_common.storage.settings import WithDatabase, WithObjectStore


def _return_path(text: str) -> str:
    try:
        return normalization.address(text) if text else ""
    except RefusedCommand as refusal:
        raise ValueError(str(refusal)) from None


class Settings(WithBus, WithApi, WithDatabase, WithObjectStore):
    """`VARCO_ARCHIVE_*`, and the shared variables."""

    model_config = env_prefix("VARCO_ARCHIVE_")
    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_ARCHIVE_{name}"
        for name in (
            "SESSION",
            "LOGIN_IDLE",
            "GUARD_INTERVAL",
            "GUARD_WAITING",
            "HANDSHAKE_TIMEOUT",
            "SWEEP",
            "ARGON2_MEMORY_KIB",
            "ACK_WAIT",
            "BATCH",
            "BATCH_BYTES",
        )
    )

    pop3_port: Port = Field(
        default=2110, validation_alias="VARCO_POP3_PORT", description="Port for POP3 with STLS; 0 for none."
    )
    pop3s_port: Port = Field(
        default=2995, validation_alias="VARCO_POP3S_PORT", description="Port for POP3 inside TLS; 0 for none."
    )
    mail_days: float = Field(
        default=7.0,
        gt=0,
        validation_alias="VARCO_NATS_MAIL_DAYS",
        description="How long accepted mail is kept, in days: no copy is kept longer.",
    )
    hostname: Annotated[str, matches(r"[A-Za-z0-9.-]{1,255}", "a host name")] = Field(
        default_factory=socket.getfqdn,
        description="This host's name: its certificate is the default one, and journal reports come from it.",
    )
    certificates: CommaList = Field(
        default=(),
        description="certificate:key files in PEM, separated by commas. Empty: each <name>.crt with <name>.key in "
        "VARCO_HOME/tls.",
    )
    return_path: Annotated[str, AfterValidator(_return_path)] = Field(
        default="",
        description="Envelope sender of forwarded copies for accounts that name none: an address whose bounces an "
        "operator reads. Empty: the null sender <>, so that no bounce is sent.",
    )
    max_connections: int = Field(default=200, ge=1, description="Open POP3 connections.")
    max_connections_per_host: int = Field(default=20, ge=1, description="Open POP3 connections of one client address.")
    idle: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a session waits for the next command, or for a client that does not read (RFC 1939 3).",
    )
