"""Generates docs/account-file.md and the JSON Schema of account files from the services' forms."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from pydantic import TypeAdapter

from varco_cli.account_secrets import FILE_SUFFIX
from varco_cli.docs.markdown import GENERATED, code, table
from varco_common.base.wording import flow

GROUP = "varco.account_file"  # entry points: `account` for the file itself, others by section
SECTIONS = {  # after those of the file itself
    "domains": "The domains of the account. Each is proven by a record in the DNS (docs/domains.md): then the account's "
    "own token may authorise senders under it.",
    "route": "Where the account's mail goes. Without a route of its own, VARCO_RELAY_DEFAULT_ROUTE holds.",
    "routes": "Routes for some of the mail, by sender and recipient. The first that covers both holds; where none does, "
    "`route` holds. Entries are known by their senders and recipients.",
    "quotas": "How much each sender, and the account as a whole, may send.",
    "filelink": "Which attachments leave as links, and for how long their files are kept.",
    "archive": "A blind copy of all mail (docs/archive.md).",
}

_OFF = {"enum": [None, False, "off"]}
INTRODUCTION = """
# The account file

One file describes an account: `varco show acme > acme.yaml` prints it, `varco apply acme.yaml` shows the
difference, asks, and applies it.

- **What a mapping leaves out stays**, at every level: `archive: {keep: 3 days}` changes nothing else.
- **`null` or `off` removes**: `filelink: off`, `quotas: {bytes: null}`. What can't be missing gets its
  default.
- **A list is the whole list.** Its entries are known by login, network or sender; what an entry leaves out
  stays. Entries that are not in the list are removed, which takes a yes to a question that names them, or
  `--yes --prune`. So does what destroys data: a mailbox with its copies, a shorter `keep`, a login.

Sizes are written `20MB` or `256 KiB`, durations `10m`, `7 days` or `12 months`. A text that begins with
`@`, `*` or another sign of YAML needs quotes, and so does a password of digits alone.

For completion in an editor, `varco account schema > varco-account.schema.json` writes the JSON Schema
that the printed file names in its first line.
"""


def page() -> str:
    """Returns the page: the file itself, then each mapping in it."""
    root = schema()
    titles: dict[int, str] = {}
    parts = []
    for title, shape in _mappings(root, root, ""):
        first = titles.setdefault(id(shape), title)
        parts.append(f"## {title}\n\n" + (_keys(shape) if first is title else f"As `{first}`.\n"))
    return "\n".join([GENERATED + INTRODUCTION, *parts])


def schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12). What may be left out may also be null or `off`."""
    forms = {entry.name: entry.load() for entry in entry_points(group=GROUP)}
    root = TypeAdapter(forms.pop("account")).json_schema(ref_template="#/$defs/{model}")
    for name, description in SECTIONS.items():
        part = TypeAdapter(forms[name]).json_schema(ref_template="#/$defs/{model}")
        root["$defs"] |= part.pop("$defs", {}) | {name: part}
        root["properties"][name] = {
            "description": description,
            "examples": part.pop("examples"),
            "default": None if name in ("route", "routes") else "off",
            "anyOf": [{"$ref": f"#/$defs/{name}"}],
        }
    for shape in (root, *root["$defs"].values()):
        _fit(root, shape)
    root["required"] = ["account"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A Varco account", **root}


def _fit(root: dict[str, Any], shape: dict[str, Any]) -> None:
    """Makes the schema of a body that of a part of the file, where anything may be left out."""
    shape.pop("required", None)
    shape.pop("title", None)
    for name in [*shape.get("properties", {})]:
        field = shape["properties"].pop(name)
        about = {
            key: field.pop(key) for key in ("description", "default", "examples", "writeOnly", "beside") if key in field
        }
        in_file = field.pop("file", False)
        for key in ("title", "expected"):
            field.pop(key, None)
        inner = {"type": "string"} if field.get("format") == "duration" else field
        known = {*_types(root, inner)}
        more = [kind for kind in map(_type, about.get("examples", ())) if kind not in known]
        wider = [{"type": kind} for kind in dict.fromkeys(more)]
        _fit_entries(inner)
        off = [] if name == "account" and shape is root else [_OFF]
        shape["properties"][name] = {**about, "anyOf": [inner, *wider, *off]}
        if in_file:
            shape["properties"][f"{name}{FILE_SUFFIX}"] = _file_key(name)


def _file_key(name: str) -> dict[str, Any]:
    """The key that names a file instead; the command line reads it."""
    words = f"The same, in a file beside the account file: `{name}` is read from it and sent."
    return {
        "description": words,
        "examples": [f"acme.{name.replace('_', '-')}"],
        "writeOnly": True,
        "anyOf": [{"type": "string"}],
    }


def _fit_entries(field: dict[str, Any]) -> None:
    """An entry of a mapping with names of the account's choice may be removed, too."""
    for part in (field, *field.get("anyOf", ())):
        if isinstance(entry := part.get("additionalProperties"), dict):
            _fit_entries(entry)
            part["additionalProperties"] = {"anyOf": [entry, _OFF]}


def _types(root: dict[str, Any], field: dict[str, Any]) -> Iterator[str]:
    if "$ref" in field:
        yield from _types(root, root["$defs"][field["$ref"].rpartition("/")[2]])
    if isinstance(field.get("type"), str):
        yield field["type"]
    if "const" in field:
        yield _type(field["const"])
    for alternative in field.get("anyOf", ()):
        yield from _types(root, alternative)


def _type(value: object) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds[type(value)]


def _mappings(root: dict[str, Any], shape: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields title and schema of each mapping of the file."""
    yield path or "The file", shape
    for name, field in shape["properties"].items():
        inner, listed = _inner(root, field)
        if inner and "properties" in inner:
            yield from _mappings(root, inner, f"{path}.{name}".lstrip(".") + ("[]" if listed else ""))


def _inner(root: dict[str, Any], field: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """The mapping that the field or each entry of its list is, and whether it is a list."""
    if "$ref" in field:
        field = root["$defs"][field["$ref"].rpartition("/")[2]]
    if "properties" in field:
        return field, False
    if field.get("type") == "array":
        inner, _ = _inner(root, field.get("items", {}))
        return inner, True
    for alternative in field.get("anyOf", ()):
        if (found := _inner(root, alternative))[0]:
            return found
    return None, False


def _keys(shape: dict[str, Any]) -> str:
    rows = [
        (
            code(name),
            field.get("description", ""),
            _default(field),
            " or ".join(code(flow(e)) for e in field["examples"]),
        )
        for name, field in shape["properties"].items()
    ]
    return table(("key", "what it does", "default", "example"), rows)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, "", []) else code(flow(default))
