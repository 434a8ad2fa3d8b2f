"""The changes of an account's settings, each with what undoes it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from varco_console.html_pages.events.view import EventLine, lines
from varco_console.model import Person

PAGE = 50


class AccountHistory(NamedTuple):
    """The newest changes first. `before` is where the older ones begin; 0: there are none."""

    account: str
    changes: tuple[EventLine, ...]
    before: int
    may_change: bool
    mistake: str = ""


def account_history(
    person: Person, account: str, changes: Sequence[Mapping[str, Any]], tokens: Mapping[str, str]
) -> AccountHistory:
    """`changes` has one more than a page where there are older ones."""
    shown = tuple(lines(changes[:PAGE], tokens))
    before = shown[-1].sequence if len(changes) > PAGE else 0
    return AccountHistory(account, shown, before, person.role.may_change)
