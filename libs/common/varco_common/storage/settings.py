"""How to reach the object store and a service's database, without loading their clients."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from varco_common.base.settings import BrokenSetting, Internal, SecretFile, Settings, matches, read_secret
from varco_common.bus.settings import WithBus


@dataclass(frozen=True, kw_only=True)
class ObjectStoreSettings:
    """Where objects are: on an S3 server, or in `directory` if `endpoint` is empty.

    `endpoint` is `http://host:port`; the files have the keys. `sync_directory` is the data
    directory of a SeaweedFS on this machine, which an older `varco up` started: it answers a PUT
    before the file is fsynced, so the client fsyncs its files. A service that `varco restart`
    upgrades still gets it.
    """

    endpoint: str = ""
    directory: Path = Path("var/objects")
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    sync_directory: Path | None = None
    timeout_seconds: float = 30.0


class WithObjectStore(WithBus):
    """Where large bodies and linked files are stored."""

    s3_endpoint: Annotated[str, matches(r"(https?://[^/\s]+/?)?", "http://host:port or https://host:port")] = Field(
        default="",
        validation_alias="VARCO_S3_ENDPOINT",
        description="The address of an S3 server for large bodies and linked files. Empty: they are stored in "
        "VARCO_HOME/objects, which works if all services run on one machine.",
    )
    s3_access_key_file: SecretFile | None = Field(
        default=None, validation_alias="VARCO_S3_ACCESS_KEY_FILE", description="File with the access key."
    )
    s3_secret_key_file: SecretFile | None = Field(
        default=None, validation_alias="VARCO_S3_SECRET_KEY_FILE", description="File with the secret key."
    )
    s3_sync_directory: Internal[Path | None] = Field(
        default=None,
        validation_alias="VARCO_S3_SYNC_DIRECTORY",
        description="Data directory of a SeaweedFS on this machine, whose files the client fsyncs after each PUT.",
    )

    @property
    def object_store(self) -> ObjectStoreSettings:
        """For `open_store`. Raises BrokenSetting."""
        if not self.s3_endpoint and not self.bus.is_local:
            expected = "an S3 server, because VARCO_NATS_URL names another machine: its services must see the objects"
            raise BrokenSetting("VARCO_S3_ENDPOINT", self.s3_endpoint, expected)
        return ObjectStoreSettings(
            endpoint=self.s3_endpoint,
            directory=self.home.absolute() / "objects",
            access_key_file=self.s3_access_key_file,
            secret_key_file=self.s3_secret_key_file,
            sync_directory=self.s3_sync_directory,
        )


class WithDatabase(Settings):
    """Where a service stores its tables."""

    database_url: Annotated[
        str,
        matches(
            r"|(sqlite\+aiosqlite|postgresql\+asyncpg)://\S+",
            "sqlite+aiosqlite:///file or postgresql+asyncpg://user:password@host/name",
        ),
    ] = Field(
        default="",
        validation_alias="VARCO_DATABASE_URL",
        description="The service's database: sqlite+aiosqlite:///file or postgresql+asyncpg://user:password@host/name, "
        "where each service has a schema of its own. Empty: a SQLite file in VARCO_HOME.",
    )
    database_password_file: SecretFile | None = Field(
        default=None,
        validation_alias="VARCO_DATABASE_PASSWORD_FILE",
        description="File with the password of the user in VARCO_DATABASE_URL.",
    )

    def database_of(self, service: str) -> str:
        """The URL of this service's database, with its password. Raises BrokenSetting."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.home.absolute()}/data/{service}.sqlite"
        if not self.database_password_file:
            return self.database_url
        head, at, place = self.database_url.partition("@")
        if not at:
            expected = "a user (user@host), because VARCO_DATABASE_PASSWORD_FILE is set"
            raise BrokenSetting("VARCO_DATABASE_URL", self.database_url, expected)
        return f"{head}:{quote(read_secret(self.database_password_file), safe='')}@{place}"
