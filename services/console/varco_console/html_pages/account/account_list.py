"""The accounts, filtered, in pages, each with a link to one of its pages. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

PAGE = 100


class AccountList(NamedTuple):
    """`page` is the part of the address behind an account; `next` the query of the next page."""

    accounts: tuple[Mapping[str, Any], ...]
    filter: str
    page: str
    next: str

    @property
    def path(self) -> str:
        """Where this list itself is."""
        return f"/{self.page or 'accounts'}"


def account_list(accounts: Iterable[Mapping[str, Any]], text: str, start: int, page: str) -> AccountList:
    """By name."""
    wanted = text.strip().lower()
    found = sorted((entry for entry in accounts if wanted in entry["account"]), key=lambda entry: str(entry["account"]))
    following = start + PAGE
    query = urlencode({"filter": text, "start": following}) if following < len(found) else ""
    return AccountList(tuple(found[start:following]), text, page, query)
