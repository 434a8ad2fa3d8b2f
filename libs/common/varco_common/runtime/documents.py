"""Parts of account files as typed values, with errors that name their place."""

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from varco_common.base.mistakes import EXPLAINED, mistakes

T = TypeVar("T")


def parsed(kind: TypeAdapter[T], document: Any, *place: str) -> T:
    """The document as `kind`, found at `place` of the request's body.

    Raises RequestValidationError, which the API answers as for any other body.
    """
    try:
        return kind.validate_python(document)
    except ValidationError as error:
        wrong = mistakes(error.errors(include_url=False), document, kind)
        errors = [
            {"loc": ("body", *place, *mistake.where), "msg": mistake.what, "type": EXPLAINED} for mistake in wrong
        ]
        raise RequestValidationError(errors, body=document) from None
