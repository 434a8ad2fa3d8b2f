"""The normal form of a base URL. Pure."""

import re

_URL = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[\w.~-]+)*/?"
)


def base_url(text: str) -> str:
    """Without a slash at the end. Raises ValueError that says what is expected."""
    text = text.strip()
    if text and not _URL.fullmatch(text):
        raise ValueError("an address such as https://files.acme.example")
    return text.rstrip("/")
