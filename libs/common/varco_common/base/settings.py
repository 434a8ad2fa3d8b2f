"""Settings from environment variables: field types, the base class, and loading."""

import difflib
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from varco_common.base import units
from varco_common.base.durable_file import is_blank
from varco_common.base.errors import EXIT_BROKEN_SETTING, VarcoError
from varco_common.base.form_fields import field_at
from varco_common.base.mistakes import expectation

_PYDANTICS = frozenset(dir(BaseSettings))


class BrokenSetting(VarcoError):
    """A setting with an unusable value.

    The text is one line: the variable, the value, and what is expected.
    """

    def __init__(self, variable: str, value: object, expected: str) -> None:
        printable = re.sub(r"://([^:/@\s]*):[^@\s]*@", r"://\1:***@", str(value))  # hides a password in a URL
        self.variable = variable
        super().__init__(" ".join(f"{variable}={printable}: expected {expected}".split()))


# Types of fields


def _comma_list(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _readable(path: Path) -> Path:
    try:
        empty = is_blank(path.read_bytes())
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


def matches(pattern: str, expected: str) -> AfterValidator:
    """A validator: the whole text must match the pattern.

    `expected` describes it in the error text.
    """

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


Size = Annotated[int, BeforeValidator(units.parse_size), PlainSerializer(units.format_size)]
Duration = Annotated[timedelta, BeforeValidator(units.parse_duration), PlainSerializer(units.format_duration)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), PlainSerializer(",".join)]
NetworkList = Annotated[CommaList, AfterValidator(_networks)]
HostName = Annotated[str, matches(r"[A-Za-z0-9.-]{1,255}", "a host name")]
SecretFile = Annotated[Path, AfterValidator(_readable)]
Port = Annotated[int, Field(ge=0, le=65_535)]

T = TypeVar("T")
_INTERNAL = "internal"
Internal = Annotated[T, _INTERNAL]
"""A field that `varco up` or the compose file sets: docs/configuration.md leaves it out."""


def is_internal(field: FieldInfo) -> bool:
    """Whether the field was declared as Internal."""
    return _INTERNAL in field.metadata


def read_secret(path: Path | None) -> str:
    """The text of a secret's file, without white space around it. Empty if `path` is None."""
    return path.read_text().strip() if path else ""


# The base class


class _Environment(PydanticBaseSettingsSource):
    """Reads each field from its own variable only; pydantic would also read `home` from HOME."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        names = [variables(self.settings_cls)[field_name], *_earlier(self.settings_cls).get(field_name, ())]
        value = next((os.environ[name] for name in names if name in os.environ), None)
        return value, str(field.validation_alias or field_name), False

    def __call__(self) -> dict[str, Any]:
        values = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {key: value for value, key, _ in values if value is not None}


class Settings(BaseSettings):
    """What every process reads.

    The settings of a service add fields and a prefix: `model_config = env_prefix("VARCO_RELAY_")`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    retired: ClassVar[frozenset[str]] = frozenset()
    """Variables that an earlier version read. If one is still set, `load` warns and ignores it."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Field to the variable of an earlier version. It counts where the present one is not set."""

    home: Path = Field(
        default=Path("var"),
        validation_alias="VARCO_HOME",
        description="Directory of state, secrets, logs and pid files.",
    )
    bind: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1", validation_alias="VARCO_BIND", description="Address of every listener."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="VARCO_LOG_LEVEL", description="The lowest level that is logged."
    )
    drain: Duration = Field(
        default=timedelta(seconds=30),
        validation_alias="VARCO_DRAIN",
        description="How long work in progress may go on after SIGTERM.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic passes these by name
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)


def env_prefix(prefix: str) -> SettingsConfigDict:
    """The configuration of a service's settings: fields without an alias get this prefix."""
    return SettingsConfigDict(env_prefix=prefix)


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    """Field name to environment variable, in the order of declaration."""
    prefix = kind.model_config.get("env_prefix", "")
    return {name: str(field.validation_alias or f"{prefix}{name}".upper()) for name, field in kind.model_fields.items()}


def _earlier(kind: type[BaseSettings]) -> dict[str, list[str]]:
    """Field name to the variables that earlier versions read."""
    earlier: dict[str, list[str]] = {}
    for base in kind.__mro__:
        for field, variable in base.__dict__.get("renamed", {}).items():
            earlier.setdefault(field, []).append(variable)
    return earlier


def known_variables(kind: type[BaseSettings]) -> set[str]:
    """All variables of these settings, with those that earlier versions read."""
    retired = {name for base in kind.__mro__ for name in base.__dict__.get("retired", ())}
    return retired.union(variables(kind).values(), *_earlier(kind).values())


# Loading

S = TypeVar("S", bound=Settings)


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """The settings from the environment. Raises BrokenSetting."""
    _check_names(kind, os.environ if environ is None else environ)
    try:
        return kind()
    except ValidationError as error:
        raise _broken(kind, error.errors(include_url=False)[0]) from None


def broken_settings(kind: type[Settings], environ: Mapping[str, str]) -> list[BrokenSetting]:
    """Every unusable value that `load` would meet here, not only the first.

    Without one, what the settings derive from files and from one another is tried as well.
    """
    found = []
    try:
        _check_names(kind, environ)
    except BrokenSetting as error:
        found = [error]  # and what is wrong besides
    try:
        settings = kind()
    except BrokenSetting as error:
        return [*found, error]
    except ValidationError as error:
        return [*found, *(_broken(kind, mistake) for mistake in error.errors(include_url=False))]
    return [*found, *_broken_properties(settings)]


def _broken_properties(settings: Settings) -> Iterator[BrokenSetting]:
    kind = type(settings)
    for name in dir(kind):
        if isinstance(inspect.getattr_static(kind, name), property | cached_property) and name not in _PYDANTICS:
            try:
                getattr(settings, name)
            except BrokenSetting as error:
                yield error


def load_or_exit(kind: type[S]) -> S:
    """As `load`.

    A broken setting ends the process with exit code 2 and one line on standard error.
    """
    try:
        return load(kind)
    except BrokenSetting as error:
        exit_broken(error)


def exit_broken(error: BrokenSetting) -> NoReturn:
    """Ends the process with exit code 2 and one line on standard error.

    At once, so that no warning follows of what other services of the process leave: the supervisor
    reads the last line.
    """
    sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    os._exit(EXIT_BROKEN_SETTING)


def _check_names(kind: type[Settings], environ: Mapping[str, str]) -> None:
    """Refuses a misspelt variable, which would have no effect.

    Only the service's own prefix can be checked.
    """
    prefix = kind.model_config.get("env_prefix", "")
    known = set(variables(kind).values()).union(*_earlier(kind).values())
    retired = {name for base in kind.__mro__ for name in getattr(base, "retired", ())}
    for name in sorted(environ):
        if name in retired:
            sys.stderr.write(f"{name} is no longer a setting and is ignored: remove it\n")
        elif prefix and name.startswith(prefix) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise BrokenSetting(name, environ[name], near[0] if near else f"one of {', '.join(sorted(known))}")


def _broken(kind: type[Settings], first: Mapping[str, Any]) -> BrokenSetting:
    place = str(first["loc"][0]) if first["loc"] else ""
    name = next((name for name, field in kind.model_fields.items() if place in (name, field.validation_alias)), place)
    return BrokenSetting(variables(kind).get(name, place), first["input"], expectation(first, field_at(kind, [name])))
