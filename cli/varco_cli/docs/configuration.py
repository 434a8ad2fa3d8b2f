"""Generates docs/configuration.md: every setting that an operator may change."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any

from pydantic.fields import FieldInfo

from varco_cli.docs.markdown import GENERATED, code, table
from varco_common.base import units
from varco_common.base.settings import Settings, Size, is_internal, variables
from varco_common.runtime import service

GROUP = "varco.settings"  # entry points of settings of parts that are not services

INTRODUCTION = """
# Configuration

Everything is set by environment variables. Sizes are written `20MB`, `256 KiB` or in bytes; durations
`30s`, `10m`, `7 days`; lists with commas. Secrets are read from files. A setting that can't be used ends
the start with exit code 2 and one line that names it, and so does a misspelt one.
"""

_SIZE = Size.__metadata__  # type: ignore[attr-defined]  # marks the fields that hold sizes


class DifferingDeclarations(Exception):
    """Two parts declare one variable with different defaults or descriptions."""


def page() -> str:
    """Returns the page: first shared variables, then each part's. Raises DifferingDeclarations."""
    parts = dict(_parts())
    users: dict[str, list[str]] = {}
    rows: dict[str, tuple[str, str, str]] = {}
    for name, kind in parts.items():
        for variable, field in _fields(kind):
            users.setdefault(variable, []).append(name)
            row = rows.setdefault(variable, _row(variable, field))
            _check_equal(variable, row, _row(variable, field), users[variable])
    shared = [variable for variable, names in users.items() if len(names) > 1]
    table_rows = [(*rows[variable], _users(users[variable], parts)) for variable in sorted(shared)]
    sections = [f"## Shared\n\n{table(('variable', 'default', 'meaning', 'read by'), table_rows)}"]
    sections += [_section(name, kind, shared) for name, kind in parts.items()]
    return "\n".join([GENERATED + INTRODUCTION, *filter(None, sections)])


def _check_equal(variable: str, first: tuple[str, str, str], other: tuple[str, str, str], users: list[str]) -> None:
    """Raises DifferingDeclarations where two parts declare the variable differently."""
    if first != other:
        raise DifferingDeclarations(f"{variable} is declared differently by {users[0]} and {users[-1]}")


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
        return ""  # computed at the start, as the description explains
    return _format(field.default, size=any(item in _SIZE for item in field.metadata))


def _format(value: Any, *, size: bool) -> str:
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
