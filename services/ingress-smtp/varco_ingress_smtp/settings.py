"""What an operator can set for ingress-smtp: names, certificates, limits."""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from varco_common.base.settings import Internal, Size, env_prefix
from varco_common.bus.settings import WithMailDays
from varco_common.runtime.settings import (
    ServiceSettings,
    WithBalancers,
    WithBanAnswer,
    WithCertificates,
    WithHostname,
    WithSmtpPorts,
    WithVoters,
    WithVoteTimeout,
)
from varco_common.storage.settings import WithObjectStore

MIB = 1024 * 1024


class Settings(
    ServiceSettings,
    WithObjectStore,
    WithBalancers,
    WithBanAnswer,
    WithCertificates,
    WithHostname,
    WithMailDays,
    WithSmtpPorts,
    WithVoters,
    WithVoteTimeout,
):
    """Sizes are bytes."""

    model_config = env_prefix("VARCO_INGRESS_")
    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_INGRESS_{name}"
        for name in (
            "COMMAND_TIMEOUT",
            "DATA_GRACE",
            "DATA_RATE",
            "DISCARD",
            "GUARD_INTERVAL",
            "GUARD_WAITING",
            "HANDSHAKE_TIMEOUT",
            "MAX_COMMAND",
            "MAX_ERRORS",
            "MAX_LINE",
            "MEMORY",
            "REMEMBER",
            "REMEMBER_NETWORKS",
        )
    )

    processes: int = Field(default=1, ge=1, le=64, description="Processes that share the SMTP ports.")
    renamed: ClassVar[Mapping[str, str]] = {
        "certificates": "VARCO_INGRESS_CERTIFICATES",
        "hostname": "VARCO_INGRESS_HOSTNAME",
    }
    max_size: Size = Field(default=100 * MIB, description="The largest mail that any account may send.")
    inline: Internal[Size | None] = Field(
        default=None,
        le=3 * MIB,
        description="A body up to this size travels in its record, a larger one goes to the object store. Unset: the "
        "size from which the store costs less.",
    )
    max_connections: int = Field(default=1000, ge=1, description="Open connections in each process.")
    max_connections_per_host: int = Field(
        default=50, ge=1, description="Open connections of one client address in each process."
    )
    max_recipients: int = Field(
        default=1000, ge=100, description="Recipients of one mail, whatever the account's rule (RFC 5321 4.5.3.1.8)."
    )
    port_reuse: Internal[bool] = Field(
        default=False, description="Share the ports with other processes that do so too (SO_REUSEPORT)."
    )

    @property
    def mail_kept(self) -> timedelta:
        """How long stream MAIL keeps a record."""
        return timedelta(days=self.mail_days)
