"""Normal forms of logins and mail addresses. Raises ValueError that says what is wrong."""

import re

MAX_PASSWORD_BYTES = 1024

_LOGIN = re.compile(r"[^\s:\x00-\x1f\x7f]{1,254}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ADDRESS = re.compile(rf"[^\s\x00-\x1f\x7f<>,;:\"\\()\[\]@]{{1,64}}@({_LABEL}(?:\.{_LABEL})*)", re.IGNORECASE)


def login(text: str) -> str:
    """In lower case. The argument of POP3's USER is one word."""
    normal = text.strip().lower()
    if not _LOGIN.fullmatch(normal):
        raise ValueError(f"{text!r} is no login: up to 254 characters without blanks and colons")
    return normal


def address(text: str) -> str:
    """Without blanks around it, otherwise unchanged."""
    normal = text.strip()
    if not normal.isascii() or not (match := _ADDRESS.fullmatch(normal)) or len(match[1]) > 253:
        raise ValueError(f"{text!r} is no mail address: write boss@acme.example")
    return normal
