"""How logins, senders, host names and extensions are written: each has one normal form, and says what is wrong with another."""

import re

from varco_common.base.errors import RefusedCommand
from varco_common.mail.senders import normal

RESERVED_NAMES = frozenset({"admin"})  # the scope of tokens that open all accounts
ACCOUNT_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LOGIN = re.compile(r"[^\s:\x00-\x1f\x7f]{1,254}")
_LOCAL = re.compile(r"[^\s\x00-\x1f\x7f<>]{1,64}")  # RFC 5321 4.5.3.1.1
_EXTENSION = re.compile(r"[a-z0-9][a-z0-9_+-]{0,15}")


def normal_sender_pattern(text: str) -> str:
    """`a@b.c`, `@b.c` (a domain) or `@.b.c` (its subdomains), in the form that `senders.covering` wants."""
    local, at, domain = normal(text).rpartition("@")
    subdomains = not local and domain.startswith(".")
    bare = domain[1:] if subdomains else domain
    fits = at and "@" in text and len(bare) <= 253 and _HOST.fullmatch(bare) and (not subdomains or "." in bare)
    if not fits or (local and not _LOCAL.fullmatch(local)):
        raise RefusedCommand(
            f"{text!r} is no sender: write a@acme.example, @acme.example (a domain) or @.acme.example (its subdomains)"
        )
    return f"{local}@{domain}"


def normal_login(text: str) -> str:
    """Lower case; no blanks and no colon, which passwd-files part their fields by."""
    found = text.strip().lower()
    if not _LOGIN.fullmatch(found):
        raise RefusedCommand(f"{text!r} is no login: up to 254 characters without blanks and colons")
    return found


def normal_host_name(text: str) -> str:
    """Lower case, internationalised names in their ASCII form."""
    found = normal(f"x@{text.strip().rstrip('.')}")[2:]
    if len(found) > 253 or not _HOST.fullmatch(found):
        raise RefusedCommand(f"{text!r} is no host name")
    return found


def normal_extension(text: str) -> str:
    """Lower case, without the dot."""
    found = text.strip().lower().removeprefix("*").removeprefix(".")
    if not _EXTENSION.fullmatch(found):
        raise RefusedCommand(f"{text!r} is no extension: write pdf, or gz (the last one is what counts)")
    return found
