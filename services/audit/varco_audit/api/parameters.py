"""What the parameters of a request may be."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, get_args

from fastapi import Query
from fastapi.exceptions import RequestValidationError

from varco_common.events import AnyEvent, fact

Seconds = Annotated[
    float | None,
    Query(gt=0, le=60, description="The page ends early after about so long; `next` goes on. Left out: it is whole."),
]
FACTS = frozenset(fact(kind) for kind in get_args(AnyEvent))
SERVICES = frozenset(kind.SERVICE for kind in get_args(AnyEvent))


def check_known(parameter: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Raises RequestValidationError for a value that no event has, as a slip would find nothing."""
    for value in values:
        if value not in known:
            similar = get_close_matches(value, known, n=1)
            hint = f"did you mean {similar[0]}?" if similar else f"expected one of {', '.join(sorted(known))}"
            error = {"loc": ("query", parameter), "msg": f"no event has the {parameter} {value}: {hint}"}
            raise RequestValidationError([error | {"type": "refused"}])
