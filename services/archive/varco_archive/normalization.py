"""How logins and addresses are written: each has one normal form, and says what is wrong with another."""

import re

from varco_common.base.errors import RefusedCommand

ACCOUNT = r"^[a-z0-9][a-z0-9-]{0,62}$"
MAX_PASSWORD_BYTES = 1024

_LOGIN = re.compile(r"[^\s:\x00-\x1f\x7f]{1,254}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ADDRESS = re.compile(rf"[^\s\x00-\x1f\x7f<>,;:\"\\()\[\]@]{{1,64}}@({_LABEL}(?:\.{_LABEL})*)", re.IGNORECASE)


def login(text: str) -> str:
    """Lower case; POP3's USER takes one word."""
    found = text.strip().lower()
    if not _LOGIN.fullmatch(found):
        raise RefusedCommand(f"{text!r} is no login: up to 254 characters without blanks and colons")
    return found


def address(text: str) -> str:
    """As it was written, but for blanks around it."""
    found = text.strip()
    if not found.isascii() or not (match := _ADDRESS.fullmatch(found)) or len(match[1]) > 253:
        raise RefusedCommand(f"{text!r} is no mail address: write boss@acme.example")
    return found
