"""The changes of an account's settings, each with what undoes it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from varco_console.html_pages.events.view import EventLine, lines
from varco_console.model import Person

PAGE = 50
LOOKED_AT = 1_000  # changes that a filter is applied to at once, and that are exported


class AccountHistory(NamedTuple):
    """The newest changes first. `before` is where the older ones begin; 0: there are none.

    `filter` is the text that each has.
    """

    account: str
    changes: tuple[EventLine, ...]
    before: int
    may_change: bool
    filter: str = ""
    mistake: str = ""


def account_history(
    person: Person, account: str, changes: Sequence[Mapping[str, Any]], tokens: Mapping[str, str], text: str = ""
) -> AccountHistory:
    """`changes` are as many as `asked_for` where there are older ones."""
    found = matching(lines(changes, tokens), text)
    shown = tuple(found[:PAGE])
    older = changes[-1]["sequence"] if len(changes) == asked_for(text) else 0  # these were not looked at
    before = shown[-1].sequence if len(found) > PAGE else older
    return AccountHistory(account, shown, before, person.role.may_change, text)


def asked_for(text: str) -> int:
    """How many changes a page needs."""
    return LOOKED_AT if text else PAGE + 1


def matching(changes: Iterable[EventLine], text: str) -> list[EventLine]:
    """Those with the text in what, who or why; upper and lower case are alike."""
    wanted = text.strip().lower()
    return [change for change in changes if any(wanted in str(field).lower() for field in change)]
