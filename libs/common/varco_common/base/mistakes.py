"""What a person should write instead: each validation error in one sentence. Pure.

Says what was there, what is expected with an example, and the name that was probably meant. No
words of Pydantic are in it.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from varco_common.base import units
from varco_common.base.form_fields import FieldHint, field_at, keys_at
from varco_common.base.wording import ACCOUNT_EXPECTED, ACCOUNT_NAME, near, shown

EXPLAINED = "explained"
_SENTENCES = (EXPLAINED, "refused")  # the types of errors whose text is a sentence already
TIME_EXPECTED = "a time such as 2026-12-24 or 2026-12-24T18:00"

_PATTERNS = {ACCOUNT_NAME: ACCOUNT_EXPECTED}
_BY_TYPE = {
    "bool": "true or false",
    "dict": "keys with values, such as {name: value}",
    "date": TIME_EXPECTED,
    "datetime": TIME_EXPECTED,
    "float": "a number, such as 1.5",
    "int": "a number, such as 500",
    "list": "a list, such as [a, b]",
    "model": "keys with values, such as {name: value}",
    "string": "a text",
    "time": TIME_EXPECTED,
    "timezone": TIME_EXPECTED,
    "tuple": "a list, such as [a, b]",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_LENGTHS = {
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
    "too_short": ("at least", "min_length", "entry"),
    "too_long": ("at most", "max_length", "entry"),
}


class Mistake(NamedTuple):
    """A place in a document, and what to write there."""

    where: tuple[str, ...]
    what: str


def mistakes(errors: Iterable[Mapping[str, Any]], document: object, kind: object = None) -> list[Mistake]:
    """One mistake for each wrong place. `kind` is the type that the document was validated as.

    The alternatives of a union complain all at the same time; the deepest place is what counts.
    """
    by_place: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for error in errors:
        by_place.setdefault(_place(error, document), []).append(error)
    deepest = [place for place in by_place if not any(_is_inside(other, place) for other in by_place)]
    return [Mistake(place, _sentence(by_place[place], field_at(kind, place), place, kind)) for place in deepest]


def expectation(error: Mapping[str, Any], field: FieldHint) -> str:  # noqa: PLR0911 - a table of cases
    """What is expected there, with an example."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{words} {_amount(context[key], field)}"
    if kind in _LENGTHS:
        words, key, noun = _LENGTHS[kind]
        noun = "character" if isinstance(error.get("input"), str) else noun  # as for secrets
        return f"{words} {units.counted(context[key], noun)}"
    if kind in ("literal_error", "enum"):
        return field.expected or str(context["expected"]).replace("'", "")
    if kind == "string_pattern_mismatch":
        return field.expected or _PATTERNS.get(str(context.get("pattern")), field.examples or "another form")
    if kind == "value_error":
        text = str(context.get("error") or error["msg"].removeprefix("Value error, "))
        return field.expected if field.expected and _is_expectation(text) else text
    plain = _BY_TYPE.get(kind.split("_", 1)[0], "another value")
    if kind.startswith("model") and field.examples:
        return field.examples
    return field.expected or (f"{plain.split(', such as')[0]}, such as {field.examples}" if field.examples else plain)


def _place(error: Mapping[str, Any], document: object) -> tuple[str, ...]:
    """The place in the document. A validation error also names the alternatives that it tried."""
    if error["type"] in _SENTENCES:
        return tuple(map(str, error["loc"]))
    path: list[str] = []
    for number, step in enumerate(error["loc"], 1):
        is_new = number == len(error["loc"]) and error["type"] == "missing"
        if isinstance(document, Mapping) and (step in document or is_new):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        elif not is_new:
            continue
        path.append(str(step))
    return tuple(path)


def _is_inside(place: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _sentence(  # noqa: PLR0911 - a table of cases
    errors: Sequence[Mapping[str, Any]], field: FieldHint, place: tuple[str, ...], kind: object
) -> str:
    error = max(errors, key=_weight)
    value, name = error.get("input"), place[-1] if place else ""
    if error["type"] in _SENTENCES:
        return str(error["msg"])
    match error["type"]:
        case "json_invalid":
            return "the body is no JSON"
        case "missing":
            what = error["loc"][-1] if error["loc"] else "the body"
            return f"{what} is missing" + (f": write {name}: {field.examples}" if field.examples else "")
        case "extra_forbidden":
            return f"unknown key {shown(name)}{near(name, keys_at(kind, place[:-1]))}"
        case "string_type" if isinstance(value, int | float):
            what = "true or false" if isinstance(value, bool) else "a number"
            return "put it in quotes: YAML reads it as " + what
        case "literal_error" | "enum" if error["loc"] and error["loc"][-1] == "[key]":
            return f"unknown name {shown(value)}{near(str(value), _names(error))}"
        case "literal_error" | "enum" if isinstance(value, str) and len(errors) == 1:
            close = difflib.get_close_matches(value.lower(), _names(error), n=1, cutoff=0.6)
            meant = f": did you mean {close[0]}?" if close else ""
            return f"{shown(value)}: expected {expectation(error, field)}{meant}"
    if len(errors) > 1 and field.examples and not field.expected:
        return _shown_before(value, place, f"expected {field.examples}")
    text = expectation(error, field)
    if error["type"] == "value_error" and not _is_expectation(text) and text != field.expected:
        return text
    return _shown_before(value, place, f"expected {text}")


def _weight(error: Mapping[str, Any]) -> int:
    """Which of several complaints about one place says most."""
    order = ("enum", "literal_error", "none_required", "string_type")
    return order.index(error["type"]) if error["type"] in order else len(order)


def _shown_before(value: object, place: tuple[str, ...], text: str) -> str:
    """A password is never shown."""
    return text if any("password" in step for step in place) else f"{shown(value)}: {text}"


def _names(error: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']+)'", str((error.get("ctx") or {}).get("expected", "")))


def _is_expectation(text: str) -> bool:
    """Whether a validator's text is what is expected, such as `a size such as 20MB`."""
    return text.startswith(("a ", "an ", "one of ", "addresses ", "absolute "))


def _amount(value: object, field: FieldHint) -> str:
    if match := re.fullmatch(r"datetime\.timedelta\((\w+)=(\d+)\)", str(value)):  # as Pydantic has it
        value = timedelta(**{match[1]: int(match[2])})
    if isinstance(value, timedelta):
        return units.format_duration(value)
    return units.format_size(value) if isinstance(value, int) and field.is_size else str(value).removesuffix(".0")
