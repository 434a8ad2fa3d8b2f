"""Which addresses an account's sender list covers: used early by ingress, and with the last word by policy."""

from collections.abc import Container, Iterator
from contextlib import suppress

import idna


def normal(address: str) -> str:
    """An address as it is compared: lower case, the domain in its ASCII form (RFC 5891) where it has one.

    Not that of RFC 3490, in which ß was ss: those are two domains, with two owners.
    """
    local, _, domain = address.strip().lower().rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):  # no such domain name: compared as it stands, and so found in no list
            domain = idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"


def covering(address: str, patterns: Container[str]) -> str | None:
    """The narrowest pattern that covers the address: `a@b.c` itself, `@b.c` a domain, `@.b.c` its subdomains.

    `patterns` are in the form that `normal` gives. What lacks a local part or a domain is no address, never covered.
    """
    wanted = normal(address)
    if wanted[0] == "@" or wanted[-1] == "@":
        return None
    return next((pattern for pattern in _candidates(wanted) if pattern in patterns), None)


def _candidates(address: str) -> Iterator[str]:
    yield address
    at = address.rindex("@")
    yield address[at:]
    dot = address.find(".", at)
    while dot > 0:
        yield f"@{address[dot:]}"
        dot = address.find(".", dot + 1)
