"""How the API reads the parameters of a request: the account that a token may see, times."""

from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import get_args

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError

from varco_common.events import AnyEvent, fact
from varco_common.runtime.tokens import ApiToken

FACTS = frozenset(fact(kind) for kind in get_args(AnyEvent))
SERVICES = frozenset(kind.SERVICE for kind in get_args(AnyEvent))


def check_known(parameter: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Raises RequestValidationError for a value that no event has, as a slip would find nothing."""
    for value in values:
        if value not in known:
            similar = get_close_matches(value, known, n=1)
            hint = f"did you mean {similar[0]}?" if similar else f"expected one of {', '.join(sorted(known))}"
            error = {"loc": ("query", parameter), "msg": f"no event has the {parameter} {value}: {hint}"}
            raise RequestValidationError([error | {"type": "unknown"}])


def visible_account(token: ApiToken, account: str = "") -> str:
    """The account that a query is limited to; empty for all accounts.

    Raises 403 if an account's token names another account.
    """
    if token.is_admin:
        return account
    if account not in ("", token.scope):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return token.scope


def as_utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC, whatever the zone of this machine."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
