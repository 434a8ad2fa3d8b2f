"""The variables of the bus: how to reach it, and how much its streams may hold."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from varco_common.base.settings import SecretFile, Settings, matches
from varco_common.bus.bus_settings import BusSettings


class WithBus(Settings):
    """How to reach NATS."""

    nats_url: Annotated[
        str,
        matches(
            r"nats://[^\s,]+:\d+(,nats://[^\s,]+:\d+)*|tls://[^\s,]+:\d+(,tls://[^\s,]+:\d+)*",
            "nats://host:port or tls://host:port, several parted by commas",
        ),
    ] = Field(
        default="nats://127.0.0.1:4222",
        validation_alias="VARCO_NATS_URL",
        description="The bus; several servers of a cluster parted by commas. tls:// for servers with TLS "
        "(handshake_first).",
    )
    nats_user: str = Field(
        default="",
        validation_alias="VARCO_NATS_USER",
        description="The service's user on the bus. Empty: no user is needed.",
    )
    nats_password_file: SecretFile | None = Field(
        default=None, validation_alias="VARCO_NATS_PASSWORD_FILE", description="File with the password of that user."
    )
    nats_ca_file: Path | None = Field(
        default=None,
        validation_alias="VARCO_NATS_CA_FILE",
        description="Certificates that sign the bus's own, with tls://. Empty: those of the system.",
    )

    @property
    def bus(self) -> BusSettings:
        """For `Bus.connect`."""
        return BusSettings(
            url=self.nats_url, user=self.nats_user, password_file=self.nats_password_file, ca_file=self.nats_ca_file
        )


class WithMailDays(Settings):
    """How long stream MAIL keeps a record, for all whose own data live as long."""

    mail_days: float = Field(
        default=7.0,
        gt=5,
        validation_alias="VARCO_NATS_MAIL_DAYS",
        description="Days that stream MAIL keeps an accepted mail, longer than relay tries to deliver it. No copy is "
        "kept longer, and a body in the object store a day longer.",
    )
