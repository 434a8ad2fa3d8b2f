"""The names of tokens, in place of the ids with which events say who caused them."""

import re

from varco_cli import api_client
from varco_cli.failures import CommandFailure

_TOKEN = re.compile(r"\btoken:([0-9a-z]{20})\b")
_OWN = re.compile(r"varco_[^_]+_([0-9a-z]{20})_")


class TokenNames:
    """Asks audit for the names when a text first has an id.

    The token of VARCO_HOME, which no event has issued, is `admin`. An id without a name stays.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] | None = None

    def named(self, text: str) -> str:
        """Returns the text with names."""
        return _TOKEN.sub(self._name, text) if "token:" in text else text

    def _name(self, match: re.Match[str]) -> str:
        if self._names is None:
            self._names = {**_first_token(), **_issued()}
        return self._names.get(match[1], match[0])


def _first_token() -> dict[str, str]:
    try:
        own = _OWN.match(api_client.state_directory().admin_token.read_text())
    except OSError:
        return {}
    return {own[1]: "admin"} if own else {}


def _issued() -> dict[str, str]:
    try:
        names: dict[str, str] = api_client.call("audit", "GET", "/token-names")
    except CommandFailure:  # what happened is told all the same
        return {}
    return names
