"""Creates missing streams, roles and schemas before the services of a deployment start."""

import shutil
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from varco_cli.deployment.files import database_password
from varco_cli.stack.disk_room import mail_limit
from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.settings import WithMailLimits
from varco_common.base.settings import BrokenSetting, Internal, env_prefix, read_secret
from varco_common.base.tasks import retry_until_available
from varco_common.bus import streams
from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.settings import WithBus
from varco_common.storage.settings import WithDatabase


class PrepareSettings(WithBus, WithDatabase, WithMailLimits):
    """The settings of `varco prepare`: access to the bus and PostgreSQL, and the limits."""

    model_config = env_prefix("VARCO_PREPARE_")

    secrets: Internal[Path] = Field(
        default=Path("/run/secrets"), description="Directory with the passwords of the services' roles."
    )
    bus_disk: Internal[Path | None] = Field(
        default=None,
        description="A directory on the bus's disk: accepted mail may then take its free space, minus a fifth of the "
        "disk (at most 1 GiB). Unset: only VARCO_NATS_MAIL_MAX_BYTES limits it.",
    )
    replicas: Internal[int] = Field(
        default=1, ge=1, le=5, description="Copies of each stream, each on another server of the cluster."
    )

    @property
    def bus_settings(self) -> BusSettings:
        limit = -1 if self.mail_max_bytes is None else self.mail_max_bytes
        return replace(self.bus, replicas=self.replicas, mail_max_bytes=limit, mail_days=self.mail_days)


async def make_ready(settings: PrepareSettings, services: list[ServiceDescription]) -> list[str]:
    """Creates what is missing, and returns a line for each step. Waits for bus and database."""
    done = [await retry_until_available(lambda: _streams(settings))]
    if settings.database_url:
        from varco_common.storage.database import roles  # noqa: PLC0415 - no other command needs SQLAlchemy, which takes a third of its start

        passwords = {
            service.name: role_password(settings.secrets, service.name) for service in services if service.tables
        }
        await retry_until_available(lambda: roles.ensure(settings.database_of("prepare"), passwords))
        done.append(f"roles and schemas: {', '.join(passwords)}")
    return done


def role_password(secrets: Path, service: str) -> str:
    """Returns the password of this service's role.

    Raises BrokenSetting, which names the file, where it can't be read.
    """
    file = secrets / database_password(service)
    try:
        return read_secret(file)
    except OSError as error:
        raise BrokenSetting(
            "VARCO_PREPARE_SECRETS",
            secrets,
            f"a readable file {file.name} in it ({error.strerror}): see `make secrets`",
        ) from None


async def _streams(settings: PrepareSettings) -> str:
    async with streams.manager(settings.bus_settings) as connection:
        await streams.ensure(connection, settings.bus_settings)
    if not settings.bus_disk:
        return "streams"
    async with streams.mail_limit(settings.bus_settings) as mail:
        disk = shutil.disk_usage(settings.bus_disk)
        limit = mail_limit(await mail.used(), disk.free, disk.total, settings.bus_settings.mail_max_bytes)
        await mail.set(limit)
    return f"streams; accepted mail may take {limit:,} bytes"
