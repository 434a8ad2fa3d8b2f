"""Which addresses an account's sender list covers: used early by ingress, and with the last word by policy."""

from collections.abc import Iterable


def normal(address: str) -> str:
    """An address as it is compared: lower case, the domain in its ASCII form (RFC 5891) where it has one."""
    local, _, domain = address.strip().lower().rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        pass  # no such domain name: compared as it stands, and so found in no list
    return f"{local}@{domain}" if local else f"@{domain}"


def covering(address: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that covers the address: `a@b.c` itself, `@b.c` a domain, `@.b.c` its subdomains."""
    wanted = normal(address)
    domain = wanted[wanted.rindex("@") :]
    for pattern in patterns:
        if pattern in (wanted, domain) or (pattern.startswith("@.") and domain.endswith(pattern[1:])):
            return pattern
    return None
