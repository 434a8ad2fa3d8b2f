"""Domains below which names are registered: they belong to no customer."""

from functools import cache

from publicsuffixlist import PublicSuffixList


def is_public_suffix(domain: str) -> bool:
    """Whether names are registered directly below it: `com`, `co.uk` (publicsuffix.org)."""
    return bool(_suffixes().is_public(domain))


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # a third of a second: only when it is needed
