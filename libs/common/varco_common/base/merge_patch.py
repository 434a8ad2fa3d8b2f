"""A settings document after a patch, for every level of an account file. Pure.

What the patch leaves out stays, null or `off` removes, a list is the whole list (RFC 7396).
"""

from collections.abc import Mapping
from typing import Any


def is_off(value: object) -> bool:
    """Whether the value removes what it is given for. YAML reads a bare `off` as false."""
    return value is None or value is False or value == "off"


def merged(current: Any, patch: Any, short: Mapping[str, str] | None = None) -> Any:
    """The document after the patch; None where it is removed.

    `short` has by key what a plain value there is short for: with `{"forward": "to"}`,
    `forward: boss@acme.example` means `forward: {to: boss@acme.example}`.
    """
    if is_off(patch):
        return None
    if not isinstance(patch, Mapping):
        return patch
    if not patch:
        return current  # it says nothing, so it changes nothing
    result = dict(current) if isinstance(current, Mapping) else {}
    for key, value in patch.items():
        inner = {short[key]: value} if short and key in short and _is_plain(value) else value
        if is_off(inner):
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), inner, short)
    return result


def _is_plain(value: object) -> bool:
    return not is_off(value) and not isinstance(value, Mapping | list)
