"""The normal form of a domain. Pure."""

import re

from varco_common.base.errors import RefusedCommand
from varco_common.mail.sender_patterns import normal

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
MAX_LENGTH = 230  # octets: `_varco.` and the names of keys stand before it, and a name has 253


def normal_domain(text: str) -> str:
    """Lower case; internationalised names in ASCII. Raises RefusedCommand."""
    name = normal(f"x@{text.strip().removeprefix('@').rstrip('.')}")[2:]
    if len(name) > MAX_LENGTH or not _DOMAIN.fullmatch(name):
        raise RefusedCommand(f"{text!r} is no domain: write acme.example")
    return name
