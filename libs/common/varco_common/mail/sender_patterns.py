"""How the entries of an account's sender list are written, and which addresses they cover. Pure."""

import re
from collections.abc import Container, Iterator
from contextlib import suppress

import idna

from varco_common.base.errors import RefusedCommand

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LOCAL = re.compile(r'(?=.{1,64}$)(?:[^\s\x00-\x1f\x7f<>@"]+|"[^\x00-\x1f\x7f<>"]+")')  # RFC 5321 4.1.2, 4.5.3.1.1


def normal(address: str) -> str:
    """The form of an address that is compared: lower case, the domain in ASCII (RFC 5891).

    RFC 3490 would map ß to ss, but those are two domains with two owners.
    """
    local, _, domain = address.strip().lower().rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):  # no valid domain name: it stays as it is, and no list has it
            domain = idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"


def normal_sender_pattern(text: str) -> str:
    """`a@b.c`, `@b.c` (a domain) or `@.b.c` (its subdomains), in the form of `normal`.

    Raises RefusedCommand, whose text says how to write it.
    """
    local, at, domain = normal(text).rpartition("@")
    subdomains = not local and domain.startswith(".")
    bare = domain[1:] if subdomains else domain
    fits = at and "@" in text and len(bare) <= 253 and HOST_NAME.fullmatch(bare) and (not subdomains or "." in bare)
    if not fits or (local and not _LOCAL.fullmatch(local)):
        raise RefusedCommand(
            f"{text!r} is no sender: write a@acme.example, @acme.example (a domain) or @.acme.example (its subdomains)"
        )
    return f"{local}@{domain}"


def narrowest_pattern(address: str, patterns: Container[str]) -> str | None:
    """The narrowest pattern that covers the address:

    `a@b.c` itself, `@b.c` a domain, `@.b.c` its subdomains.

    `patterns` are in the form of `normal`. An address without a local part or domain is not
    covered.
    """
    address = normal(address)
    if address[0] == "@" or address[-1] == "@":
        return None
    return next((pattern for pattern in _candidates(address) if pattern in patterns), None)


def _candidates(address: str) -> Iterator[str]:
    yield address
    at = address.rindex("@")
    yield address[at:]
    dot = address.find(".", at)
    while dot > 0:
        yield f"@{address[dot:]}"
        dot = address.find(".", dot + 1)
