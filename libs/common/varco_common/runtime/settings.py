"""Settings from the environment: what all services share, and how a broken one ends the start with one line."""

import difflib
import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from varco_common.base import units
from varco_common.base.errors import VarcoError
from varco_common.bus.settings import BusSettings
from varco_common.storage.object_store_settings import ObjectStoreSettings

EXIT_BROKEN_SETTING = 2


class BrokenSetting(VarcoError):
    """A setting that can't be used; the text is one line with the variable, its value and what is expected."""

    def __init__(self, variable: str, value: object, expected: str) -> None:
        shown = re.sub(r"://([^:/@\s]*):[^@\s]*@", r"://\1:***@", str(value))  # a URL's password is no log line's
        super().__init__(" ".join(f"{variable}={shown}: expected {expected}".split()))


def _comma_list(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _readable(path: Path) -> Path:
    try:
        empty = not path.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"a readable file ({error.strerror})") from None
    if empty:
        raise ValueError("a file that holds a secret (it is empty)")
    return path


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError("an IP address to listen on") from None
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        try:
            ip_network(network)
        except ValueError:
            raise ValueError("addresses or networks (192.0.2.0/28), parted by commas") from None
    return value


def shaped(pattern: str, expected: str) -> AfterValidator:
    """A validator for text that must match the whole pattern; `expected` is what the operator reads otherwise."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


Size = Annotated[int, BeforeValidator(units.parse_size), PlainSerializer(units.format_size)]
Duration = Annotated[timedelta, BeforeValidator(units.parse_duration), PlainSerializer(units.format_duration)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), PlainSerializer(",".join)]
SecretFile = Annotated[Path, AfterValidator(_readable)]
Port = Annotated[int, Field(ge=0, le=65_535)]


def secret(path: Path | None) -> str:
    """The secret that a file holds, without blanks around it; empty where no file is named."""
    return path.read_text().strip() if path else ""


class _Environment(PydanticBaseSettingsSource):
    """Each field from its own variable and no other: pydantic's source would take `home` from HOME as well."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = variables(self.settings_cls)[field_name]
        return os.environ.get(variable), str(field.validation_alias or field_name), False

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {key: value for value, key, _ in found if value is not None}


class Settings(BaseSettings):
    """What every process reads. A service's own settings add fields and a prefix: `model_config = own("VARCO_RELAY_")`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    retired: ClassVar[frozenset[str]] = frozenset()
    """Variables that an earlier version read. One that is still set is named in a warning and ignored."""

    home: Path = Field(
        default=Path("var"),
        validation_alias="VARCO_HOME",
        description="Where state, secrets, logs and pid files live.",
    )
    bind: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1", validation_alias="VARCO_BIND", description="Address of every listener."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="VARCO_LOG_LEVEL", description="The least level that is logged."
    )
    drain: Duration = Field(
        default=timedelta(seconds=30),
        validation_alias="VARCO_DRAIN",
        description="How long SIGTERM lets what is in flight come to its end.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic gives them by name
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)


class WithBus(Settings):
    """How to reach NATS."""

    nats_url: Annotated[
        str,
        shaped(
            r"nats://[^\s,]+:\d+(,nats://[^\s,]+:\d+)*|tls://[^\s,]+:\d+(,tls://[^\s,]+:\d+)*",
            "nats://host:port or tls://host:port, several parted by commas",
        ),
    ] = Field(
        default="nats://127.0.0.1:4222",
        validation_alias="VARCO_NATS_URL",
        description="The bus; several servers of a cluster parted by commas. tls:// where they speak TLS (handshake_first).",
    )
    nats_user: str = Field(
        default="",
        validation_alias="VARCO_NATS_USER",
        description="This service's user on the bus; empty: none is needed.",
    )
    nats_password_file: SecretFile | None = Field(
        default=None, validation_alias="VARCO_NATS_PASSWORD_FILE", description="File with the password of that user."
    )

    nats_ca_file: Path | None = Field(
        default=None,
        validation_alias="VARCO_NATS_CA_FILE",
        description="Certificates that vouch for the bus's own, with tls://. Empty: the system's.",
    )

    @property
    def bus(self) -> BusSettings:
        """For `Bus.connect`."""
        return BusSettings(
            url=self.nats_url, user=self.nats_user, password_file=self.nats_password_file, ca_file=self.nats_ca_file
        )


class WithBlobs(Settings):
    """How to reach the object store, which holds the bodies over the inline limit."""

    s3_endpoint: Annotated[str, shaped(r"https?://[^/\s]+/?", "http://host:port or https://host:port")] = Field(
        default="http://127.0.0.1:8333",
        validation_alias="VARCO_S3_ENDPOINT",
        description="The S3 server's address.",
    )
    s3_access_key_file: SecretFile | None = Field(
        default=None, validation_alias="VARCO_S3_ACCESS_KEY_FILE", description="File with the access key."
    )
    s3_secret_key_file: SecretFile | None = Field(
        default=None, validation_alias="VARCO_S3_SECRET_KEY_FILE", description="File with the secret key."
    )

    s3_sync_directory: Path | None = Field(
        default=None,
        validation_alias="VARCO_S3_SYNC_DIRECTORY",
        description="SeaweedFS's data directory, where it runs on this machine: it answers a PUT before it is fsynced, "
        "so that is done from here. `varco up` sets it; empty with stores that fsync by themselves.",
    )

    @property
    def blobs(self) -> ObjectStoreSettings:
        """For `Blobs`."""
        return ObjectStoreSettings(
            endpoint=self.s3_endpoint,
            access_key_file=self.s3_access_key_file,
            secret_key_file=self.s3_secret_key_file,
            sync_directory=self.s3_sync_directory,
        )


class WithBalancers(Settings):
    """The hosts that clients come through: said to ingress, and known to all that must never ban them."""

    balancers: Annotated[CommaList, AfterValidator(_networks)] = Field(
        default=(),
        validation_alias="VARCO_INGRESS_BALANCERS",
        description="Load balancers that must say with PROXY (v1 or v2) for whom they connect; they are never banned.",
    )

    @property
    def balancer_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(ip_network, self.balancers))


class WithDatabase(Settings):
    """Where a service keeps its tables."""

    database_url: Annotated[
        str,
        shaped(
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
        description="File with the password of the user that VARCO_DATABASE_URL names.",
    )

    def database_of(self, service: str) -> str:
        """The URL of this service's database, with its password."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.home.absolute()}/data/{service}.sqlite"
        if not self.database_password_file:
            return self.database_url
        head, at, place = self.database_url.partition("@")
        if not at:
            raise BrokenSetting(
                "VARCO_DATABASE_URL", self.database_url, "a user (user@host) beside its password's file"
            )
        return f"{head}:{quote(secret(self.database_password_file), safe='')}@{place}"


class WithApi(Settings):
    """The HTTP API that every service has."""

    api_port: Port = Field(
        default=8100,
        validation_alias="VARCO_API_PORT",
        description="Port of the service's HTTP API; `varco up` counts from here upwards, one for each service.",
    )
    api_ports: int = Field(
        default=1,
        ge=1,
        le=100,
        validation_alias="VARCO_API_PORTS",
        description="From VARCO_API_PORT upwards the first of so many ports that is free is taken: for several processes of "
        "one service at one address.",
    )
    api_port_file: Path | None = Field(
        default=None,
        validation_alias="VARCO_API_PORT_FILE",
        description="Where the port is written that was taken, for a health check that can't know it.",
    )
    token_key_file: SecretFile | None = Field(
        default=None,
        validation_alias="VARCO_TOKEN_KEY_FILE",
        description="File with the key that signs API tokens; every service reads the same. "
        "Empty: `secrets/token.key` in VARCO_HOME.",
    )

    @cached_property
    def token_key(self) -> bytes:
        """At least 32 bytes of key. Raises BrokenSetting."""
        path = self.token_key_file or self.home / "secrets" / "token.key"
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            raise BrokenSetting("VARCO_TOKEN_KEY_FILE", path, f"a readable file ({error.strerror})") from None
        if len(key) < 32:
            raise BrokenSetting("VARCO_TOKEN_KEY_FILE", path, f"a key of 32 bytes or more (it has {len(key)})")
        return key


class ServiceSettings(WithBus, WithApi):
    """What each service needs at least; add WithDatabase and WithBlobs where there are tables and bodies."""


def own(prefix: str) -> SettingsConfigDict:
    """The configuration of a service's own settings: fields without an alias are read from `<prefix><NAME>`."""
    return SettingsConfigDict(env_prefix=prefix)


S = TypeVar("S", bound=Settings)


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """The settings from the environment. Raises BrokenSetting, whose text names every setting that can't be used."""
    _refuse_unknown(kind, os.environ if environ is None else environ)
    try:
        return kind()
    except ValidationError as error:
        raise _broken(kind, error) from None


def load_or_exit(kind: type[S]) -> S:
    """As `load`; a broken setting ends the process with exit code 2 and one line on standard error."""
    try:
        return load(kind)
    except BrokenSetting as error:
        exit_broken(error)


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    """Field name to environment variable, in the order of declaration."""
    prefix = kind.model_config.get("env_prefix", "")
    return {name: str(field.validation_alias or f"{prefix}{name}".upper()) for name, field in kind.model_fields.items()}


def exit_broken(error: BrokenSetting) -> NoReturn:
    """Ends the process as a broken setting does."""
    sys.stderr.write(f"{error}\n")
    sys.exit(EXIT_BROKEN_SETTING)


def _refuse_unknown(kind: type[Settings], environ: Mapping[str, str]) -> None:
    """A misspelt variable would do nothing, in silence. Only the service's own prefix can be judged."""
    prefix = kind.model_config.get("env_prefix", "")
    known = set(variables(kind).values())
    for name in sorted(environ):
        if name in kind.retired:
            sys.stderr.write(f"{name} is no longer a setting and is ignored: remove it\n")
        elif prefix and name.startswith(prefix) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise BrokenSetting(name, environ[name], near[0] if near else f"one of {', '.join(sorted(known))}")


def _broken(kind: type[Settings], error: ValidationError) -> BrokenSetting:
    first = error.errors(include_url=False)[0]
    place = str(first["loc"][0]) if first["loc"] else ""
    name = next((name for name, field in kind.model_fields.items() if place in (name, field.validation_alias)), place)
    message = re.sub(r"^(Value error, |Input should be )|, unable to parse .*$", "", first["msg"])
    return BrokenSetting(variables(kind).get(name, place), first["input"], message)
