"""Events without their secrets: no reader gets password hashes or sealed passwords. Pure."""

from typing import Any

import msgspec

REDACTED_FIELDS = ("hash", "secret")

_REDACTED = "..."
# A newline must go for lines of JSON. Inside a text, the quotes of a field's name would be escaped.
_MARKS = (b"\n", *(f'"{name}"'.encode() for name in REDACTED_FIELDS))


def redacted(payload: bytes) -> bytes:
    """The event's JSON on one line: the stored bytes, unless a secret is in them.

    A secret's value becomes `...`. What is no JSON is shown as {"unreadable": text}.
    """
    try:
        if any(mark in payload for mark in _MARKS):
            return msgspec.json.encode(_without_secrets(msgspec.json.decode(payload)))
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.encode({"unreadable": payload.decode(errors="replace")})
    return payload


def has_secrets(payload: bytes) -> bool:
    """Whether some reader may not get the stored bytes. What is no JSON counts as secret."""
    try:
        event = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return bool(_without_secrets(event) != event)


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: _REDACTED if name in REDACTED_FIELDS and inner else _without_secrets(inner)
                for name, inner in value.items()
            }
        case list():
            return [_without_secrets(inner) for inner in value]
    return value
