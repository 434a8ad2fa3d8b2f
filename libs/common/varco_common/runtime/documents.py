"""Parts of account files as typed values, with errors that name their place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from varco_common.base.errors import RefusedCommand
from varco_common.base.mistakes import EXPLAINED, mistakes
from varco_common.eventsourcing.replay.replayable import RefusedSection

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


@contextmanager
def refused_sections(*where: str) -> Iterator[None]:
    """Raises RefusedSection where a request with this section would be refused.

    `where` is the place of a refusal that names none.
    """
    try:
        yield
    except RequestValidationError as error:
        first = error.errors()[0]
        raise RefusedSection(first["msg"], tuple(map(str, first["loc"][1:]))) from None
    except RefusedCommand as error:
        raise RefusedSection(str(error), where) from None
