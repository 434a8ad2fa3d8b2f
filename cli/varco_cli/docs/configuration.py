"""docs/configuration.md: every setting of every installed part, as its class declares it."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any

from pydantic.fields import FieldInfo

from varco_cli.docs.markdown import GENERATED, code, table
from varco_common.base import units
from varco_common.base.settings import Settings, Size, is_internal, variables
from varco_common.runtime import service

GROUP = "varco.settings"  # settings of parts that are no service

INTRODUCTION = """
# Configuration

Everything is set by environment variables. Sizes are written `20MB`, `256 KiB` or in bytes; durations `30s`, `10m`, `7 days`;
lists with commas. Secrets are read from files. A setting that can't be used ends the start with exit code 2 and one
line that names it; so does a misspelt one with a service's prefix.
"""

_SIZE = Size.__metadata__  # type: ignore[attr-defined]  # what tells a size from other numbers


def page() -> str:
    """The whole page: first what several parts read, then each part's own."""
    parts = dict(_parts())
    users: dict[str, list[str]] = {}
    for name, kind in parts.items():
        for variable, _ in _fields(kind):
            users.setdefault(variable, []).append(name)
    shared = [variable for variable, names in users.items() if len(names) > 1]
    fields: dict[str, FieldInfo] = {}
    for kind in parts.values():
        fields = {**dict(_fields(kind)), **fields}  # where two explain it, the first, a service, is heard
    rows = [(*_row(variable, fields[variable]), _users(users[variable], parts)) for variable in sorted(shared)]
    sections = [f"## Shared\n\n{table(('variable', 'default', 'meaning', 'read by'), rows)}"]
    sections += [_section(name, kind, shared) for name, kind in parts.items()]
    return "\n".join([GENERATED + INTRODUCTION, *filter(None, sections)])


def _parts() -> Iterator[tuple[str, type[Settings]]]:
    for installed in service.installed():
        yield installed.name, installed.settings
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        yield entry.name, entry.load()


def _section(name: str, kind: type[Settings], shared: list[str]) -> str:
    rows = [_row(variable, field) for variable, field in _fields(kind) if variable not in shared]
    return f"## {name}\n\n{table(('variable', 'default', 'meaning'), rows)}" if rows else ""


def _fields(kind: type[Settings]) -> list[tuple[str, FieldInfo]]:
    fields = ((variable, kind.model_fields[name]) for name, variable in variables(kind).items())
    return [(variable, field) for variable, field in fields if not is_internal(field)]


def _row(variable: str, field: FieldInfo) -> tuple[str, str, str]:
    return code(variable), code(_default(field)), field.description or ""


def _users(names: list[str], parts: dict[str, type[Settings]]) -> str:
    return "all" if len(names) == len(parts) else ", ".join(names)


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return ""  # found out at the start; its description says how
    return _shown(field.default, size=any(item in _SIZE for item in field.metadata))


def _shown(value: Any, *, size: bool) -> str:
    match value:
        case None:
            return ""
        case timedelta():
            return units.format_duration(value)
        case tuple() | list():
            return ",".join(map(str, value))
        case int() if size:
            return units.format_size(value)
        case _:
            return str(value)
