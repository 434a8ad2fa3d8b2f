"""The opposite of a change of an account's settings, as a patch of its account file. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from varco_common.base.errors import RefusedCommand

_KEYS = ("login", "network", "sender", "name")  # what tells the entries of a list apart
_ORDERED = (("language",), ("routes",))  # lists whose order has a meaning: brought back as a whole
_SAME: Final = object()


class Versions(NamedTuple):
    """A value before the change, after it, and as it is now. None where there was none."""

    before: Any
    after: Any
    now: Any


def opposite(documents: Versions) -> dict[str, Any]:
    """The patch (RFC 7396) that brings back what the change replaced, and leaves the rest.

    Empty where the documents before and after are equal. Raises RefusedCommand where a later change
    touched the same value, or where a password would be needed.
    """
    patch = _opposite(documents, ())
    return {} if patch is _SAME else dict(patch)


def _opposite(values: Versions, path: tuple[str, ...]) -> Any:
    before, after, now = values
    if before == after:
        return _SAME
    if _all(dict, values):
        return _of_mappings(values, path)
    if _all(list, values) and path not in _ORDERED:
        return _of_lists(values, path)
    if now != after:
        raise RefusedCommand(f"{_name(path)} has been changed again since: undo the later change first")
    return before


def _all(kind: type, values: Versions) -> bool:
    return all(isinstance(value, kind) for value in values)


def _of_mappings(values: Versions, path: tuple[str, ...]) -> dict[str, Any]:
    before, after, now = values
    patch = {}
    for key in {**before, **after}:
        inner = Versions(before.get(key), after.get(key), now.get(key))
        if (undone := _opposite(inner, (*path, key))) is not _SAME:
            patch[key] = undone
    return patch


def _of_lists(values: Versions, path: tuple[str, ...]) -> list[Any]:
    """A patch names whole lists: the one of now, without what was added, with what was removed."""
    before, after, now = ({_key(entry): entry for entry in entries} for entries in values)
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if now.get(key) not in (new, old):
            raise RefusedCommand(f"{_name((*path, key))} has been changed again since: undo the later change first")
        if old is None:
            now.pop(key, None)
        elif path == ("users",) and new is None and key not in now:
            raise RefusedCommand(f"the password of {key} went with it: add it again with `varco users put`")
        else:
            now[key] = old
    return [*now.values()]


def _key(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    named: Sequence[str] = [str(entry[key]) for key in _KEYS if key in entry] if isinstance(entry, dict) else []
    return named[0] if named else json.dumps(entry, sort_keys=True)


def _name(path: Sequence[str]) -> str:
    return ".".join(path) or "the account"
