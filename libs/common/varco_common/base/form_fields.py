"""Finds the field of a Pydantic model at a place of a document. Pure."""

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from varco_common.base import units
from varco_common.base.wording import flow


class FieldHint(NamedTuple):
    """`expected` says in words what belongs there; `examples` are as a file would have them."""

    expected: str = ""
    examples: str = ""
    is_size: bool = False


def field_at(kind: object, path: Sequence[str]) -> FieldHint:
    """What belongs at the place; empty where nothing is known about it."""
    field: FieldInfo | None = None
    for step in path:
        field, kind = _step(kind, step)
    if field is None:
        examples = next((_model_examples(model) for model in _models(kind)), [])
        return FieldHint(examples=_joined(examples))
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    examples = field.examples or []
    return FieldHint(str(extra.get("expected", "")), _joined(examples), any(_is_size(example) for example in examples))


def keys_at(kind: object, path: Sequence[str]) -> list[str]:
    """The keys that a mapping at the place may have."""
    for step in path:
        _, kind = _step(kind, step)
    return [name for model in _models(kind) for name in _fields(model)]


def _step(kind: object, step: str) -> tuple[FieldInfo | None, object]:
    for model in _models(kind):
        if (inner := _fields(model).get(step)) is not None:
            return inner, inner.annotation
    for container in _alternatives(kind):
        arguments = get_args(container)
        if get_origin(container) in (list, tuple, dict) and arguments:
            return None, arguments[-1] if get_origin(container) is dict else arguments[0]
    return None, None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {str(field.alias or name): field for name, field in model.model_fields.items()}


def _models(kind: object) -> Iterator[type[BaseModel]]:
    for alternative in _alternatives(kind):
        if isinstance(alternative, type) and issubclass(alternative, BaseModel):
            yield alternative


def _alternatives(kind: object) -> Iterator[Any]:
    if isinstance(kind, TypeAdapter):
        kind = kind._type  # noqa: SLF001 - the adapter has no public name for it
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _alternatives(member)
    else:
        yield kind


def _model_examples(model: type[BaseModel]) -> list[Any]:
    extra = model.model_config.get("json_schema_extra")
    examples = extra.get("examples") if isinstance(extra, dict) else None
    return examples if isinstance(examples, list) else []


def _joined(examples: Sequence[object]) -> str:
    return " or ".join(map(flow, examples))


def _is_size(example: object) -> bool:
    try:
        return isinstance(example, str) and example.lower().endswith("b") and units.parse_size(example) > 0
    except ValueError:
        return False
