"""Events as anybody may see them: hashes of passwords and sealed passwords are nobody's to read. Pure."""

from typing import Any

import msgspec

REDACTED_FIELDS = ("hash", "secret")

_DOTS = "..."
_MARKS = (b"\n", *(f'"{name}"'.encode() for name in REDACTED_FIELDS))  # inside a text the quotes would be escaped


def redacted(payload: bytes) -> bytes:
    """The event's JSON, on one line: byte for byte as it lies, unless it holds a secret, whose place then says `...`.

    What is no JSON is shown as a text, `unreadable`.
    """
    try:
        if any(mark in payload for mark in _MARKS):
            return msgspec.json.encode(_hidden(msgspec.json.decode(payload)))
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.encode({"unreadable": payload.decode(errors="replace")})
    return payload


def _hidden(value: Any) -> Any:
    match value:
        case dict():
            return {name: _DOTS if name in REDACTED_FIELDS and one else _hidden(one) for name, one in value.items()}
        case list():
            return [_hidden(one) for one in value]
    return value
