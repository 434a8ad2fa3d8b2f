"""Parts of account files as typed values, with errors that name their place."""

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def parsed(kind: TypeAdapter[T], document: Any, *place: str) -> T:
    """The document as `kind`, found at `place` of the request's body.

    Raises RequestValidationError, which the API answers as for any other body.
    """
    try:
        return kind.validate_python(document)
    except ValidationError as error:
        errors = [{**e, "loc": ("body", *place, *e["loc"])} for e in error.errors(include_url=False)]
        raise RequestValidationError(errors, body=document) from None
