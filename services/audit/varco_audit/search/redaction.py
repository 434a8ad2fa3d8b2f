"""Events without their secrets: no reader gets password hashes or sealed passwords. Pure."""

from collections.abc import Collection
from typing import Any

import msgspec

from varco_common.events import readable_link

REDACTED_FIELDS = ("hash", "secret")
READ_ONLY_FIELDS = (*REDACTED_FIELDS, "url")  # of a link: whoever has it downloads the file
_LINK_FIELDS = ("link", "links")  # ids, some of which hold the digits of the URL

_REDACTED = "..."
# A newline must go for lines of JSON. Inside a text, the quotes of a field's name would be escaped.
_NAMES = tuple(f'"{name}"'.encode() for name in (*READ_ONLY_FIELDS, *_LINK_FIELDS))
_MARKS = (b"\n", *_NAMES)


def redacted(payload: bytes, *, read_only: bool = False) -> bytes:
    """The event's JSON on one line: the stored bytes, unless a secret is in them.

    A secret's value becomes `...`; for a token that only reads (`read_only`), so does the URL of a
    file, and the ids of earlier links are cut, whose digits are those of the URL. What is no JSON
    is shown as {"unreadable": text}.
    """
    try:
        if any(mark in payload for mark in _MARKS):
            event = msgspec.json.decode(payload)
            shown = _readable(event) if read_only else _without(REDACTED_FIELDS, event)
            return payload if shown == event and b"\n" not in payload else msgspec.json.encode(shown)
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.encode({"unreadable": payload.decode(errors="replace")})
    return payload


def may_have_secrets(payload: bytes) -> bool:
    """A quick look: False only where `has_secrets` of an event is False."""
    for name in _NAMES:  # noqa: SIM110 - any() would take twice as long, for each event
        if name in payload:
            return True
    return False


def has_secrets(payload: bytes) -> bool:
    """Whether a token for reading alone may not get the bytes. What is no JSON counts as secret."""
    try:
        event = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return bool(_readable(event) != event)


def _readable(event: Any) -> Any:
    """The event for a token that only reads."""
    return _cut_links(_without(READ_ONLY_FIELDS, event))


def _cut_links(value: Any, *, is_link: bool = False) -> Any:
    match value:
        case dict():
            return {name: _cut_links(inner, is_link=name in _LINK_FIELDS) for name, inner in value.items()}
        case list():
            return [_cut_links(inner, is_link=is_link) for inner in value]
        case str() if is_link:
            return readable_link(value)
    return value


def _without(names: Collection[str], value: Any) -> Any:
    match value:
        case dict():
            return {
                name: _REDACTED if name in names and inner else _without(names, inner) for name, inner in value.items()
            }
        case list():
            return [_without(names, inner) for inner in value]
    return value
