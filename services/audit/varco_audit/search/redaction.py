"""Events without their secrets: no reader gets password hashes or sealed passwords. Pure."""

from collections.abc import Collection
from typing import Any

import msgspec

REDACTED_FIELDS = ("hash", "secret")
READ_ONLY_FIELDS = (*REDACTED_FIELDS, "url")  # of a link: whoever has it downloads the file

_REDACTED = "..."
# A newline must go for lines of JSON. Inside a text, the quotes of a field's name would be escaped.
_MARKS = (b"\n", *(f'"{name}"'.encode() for name in READ_ONLY_FIELDS))


def redacted(payload: bytes, *, read_only: bool = False) -> bytes:
    """The event's JSON on one line: the stored bytes, unless a secret is in them.

    A secret's value becomes `...`; for a token that only reads (`read_only`), so does the URL of a
    file. What is no JSON is shown as {"unreadable": text}.
    """
    try:
        if any(mark in payload for mark in _MARKS):
            event, names = msgspec.json.decode(payload), READ_ONLY_FIELDS if read_only else REDACTED_FIELDS
            shown = _without(names, event)
            return payload if shown == event and b"\n" not in payload else msgspec.json.encode(shown)
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.encode({"unreadable": payload.decode(errors="replace")})
    return payload


def has_secrets(payload: bytes) -> bool:
    """Whether a token for reading alone may not get the bytes. What is no JSON counts as secret."""
    try:
        event = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return bool(_without(READ_ONLY_FIELDS, event) != event)


def _without(names: Collection[str], value: Any) -> Any:
    match value:
        case dict():
            return {
                name: _REDACTED if name in names and inner else _without(names, inner) for name, inner in value.items()
            }
        case list():
            return [_without(names, inner) for inner in value]
    return value
