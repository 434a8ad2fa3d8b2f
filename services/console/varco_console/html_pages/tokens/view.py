"""The tokens of the APIs: those of admins, and those of an account. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from varco_console.model import Person


class TokenList(NamedTuple):
    """The whole page. `issued` is the text of a new token, shown this once."""

    account: str
    tokens: tuple[Mapping[str, Any], ...]
    accounts: tuple[str, ...]
    may_issue: bool
    may_revoke: bool
    issued: str = ""


def token_list(
    person: Person, account: str, tokens: Iterable[Mapping[str, Any]], accounts: Iterable[str], issued: str = ""
) -> TokenList:
    """Only an operator issues tokens; an owner revokes those of the account."""
    may_change = person.role.may_change
    newest_first = sorted(tokens, key=lambda token: str(token["issued_at"]), reverse=True)
    return TokenList(
        account,
        tuple(newest_first),
        tuple(accounts),
        may_issue=may_change and person.role.sees_all,
        may_revoke=may_change,
        issued=issued,
    )
