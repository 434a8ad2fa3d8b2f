"""Generates docs/events.md: every event and the record of a mail, with their fields."""

import enum
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from varco_cli.docs.markdown import GENERATED, code, table
from varco_common.events import AnyEvent, Event, wire_name
from varco_common.mail.record import HEADER, MailRecord

INTRODUCTION = f"""
# Events

Everything that Varco puts on record. Events are JSON in stream `EVENTS`, one message each, with their
wire name under `type`. Fields are only ever added: a reader ignores fields that it doesn't know. The
records of mails are messages of stream `MAIL`. Listed here is their header `{HEADER}`; the body is the
payload of the message, or an object in the object store.
"""

_SCALARS = {str: "text", int: "number", float: "number", bool: "yes or no", datetime: "time, UTC", bytes: "bytes"}


def page() -> str:
    """Returns the page: a table of all events, each event, and the types of their fields."""
    kinds: list[type[Event]] = sorted(get_args(AnyEvent), key=lambda kind: (kind.SERVICE, wire_name(kind)))
    shapes: dict[str, type] = {}
    overview = [(f"[`{wire_name(kind)}`](#{_anchor(kind)})", kind.SERVICE, _first(kind)) for kind in kinds]
    sections = [_section(kind, f"Subject `{kind.subject_filter('<key>')}`.", shapes) for kind in kinds]
    sections += [_section(record, "Subjects `mail.<kind>.<account>`.", shapes) for record in get_args(MailRecord)]
    return "\n".join(
        [
            GENERATED + INTRODUCTION,
            table(("event", "appended by", "what it states"), overview),
            *sections,
            "## Shapes\n",
            *_shapes(shapes),
        ]
    )


def _section(kind: type[msgspec.Struct], subject: str, shapes: dict[str, type]) -> str:
    name = str(kind.__struct_config__.tag)
    return f"## {name}\n\n{_prose(kind)}\n\n{subject}\n\n{_fields(kind, shapes)}"


def _fields(kind: type[msgspec.Struct], shapes: dict[str, type]) -> str:
    rows = [
        (code(field.encode_name), _type(field.type, shapes), "" if field.required else _default(field.default))
        for field in msgspec.structs.fields(kind)
    ]
    return table(("field", "type", "left out when"), rows)


def _default(value: Any) -> str:
    return "empty" if value in ("", ()) else code(msgspec.json.encode(value, enc_hook=str).decode())


def _type(kind: Any, shapes: dict[str, type]) -> str:
    arguments = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_type(part, shapes) for part in arguments)
    if get_origin(kind) is Literal:
        return ", ".join(code(str(value)) for value in arguments)
    if get_origin(kind) is tuple:
        return "list of " + _type(arguments[0], shapes)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct | enum.Enum):
        shapes.setdefault(kind.__name__, kind)
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return "nothing" if kind is type(None) else getattr(kind, "__name__", str(kind))


def _shapes(shapes: dict[str, type]) -> Iterator[str]:
    """Yields sections for the types of fields, and for the types of their fields in turn."""
    shown: set[str] = set()
    while rest := sorted(shapes.keys() - shown):
        shown.add(rest[0])
        kind = shapes[rest[0]]
        if issubclass(kind, enum.Enum):
            words = ", ".join(code(str(member.value)) for member in kind)
            yield f"### {rest[0]}\n\n{_prose(kind)}\n\nOne of {words}.\n"
        elif issubclass(kind, msgspec.Struct):
            yield f"### {rest[0]}\n\n{_prose(kind)}\n\n{_fields(kind, shapes)}"


def _anchor(kind: type[Event]) -> str:
    return wire_name(kind).replace(".", "")


def _prose(kind: type) -> str:
    lines = (kind.__doc__ or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines)


def _first(kind: type) -> str:
    return _prose(kind).partition("\n\n")[0]
