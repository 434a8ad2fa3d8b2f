"""Which addresses an account's sender list covers."""

from collections.abc import Container, Iterator
from contextlib import suppress

import idna


def normal(address: str) -> str:
    """The form of an address that is compared: lower case, the domain in ASCII (RFC 5891).

    RFC 3490 would map ß to ss, but those are two domains with two owners.
    """
    local, _, domain = address.strip().lower().rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):  # no valid domain name: it stays as it is, and no list has it
            domain = idna.encode(domain, uts46=True).decode()
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
