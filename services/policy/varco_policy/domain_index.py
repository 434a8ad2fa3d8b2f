"""Which accounts have senders at a domain, above it or below it. Pure."""

from collections import Counter
from collections.abc import Iterator


class DomainIndex:
    """Holds sender patterns in normal form. Several accounts may have the same pattern."""

    def __init__(self) -> None:
        self._at: dict[str, Counter[str]] = {}  # by domain: how many patterns each account has there
        self._at_or_below: dict[str, Counter[str]] = {}

    def add(self, pattern: str, account: str) -> None:
        domain = _domain(pattern)
        self._at.setdefault(domain, Counter())[account] += 1
        for parent in _upwards(domain):
            self._at_or_below.setdefault(parent, Counter())[account] += 1

    def discard(self, pattern: str, account: str) -> None:
        domain = _domain(pattern)
        _decrement(self._at, domain, account)
        for parent in _upwards(domain):
            _decrement(self._at_or_below, parent, account)

    def accounts_claiming_domain(self, pattern: str) -> set[str]:
        """The accounts that have a sender at the pattern's domain, above it or below it."""
        domain = _domain(pattern)
        accounts = set(self._at_or_below.get(domain, ()))
        for parent in _upwards(domain):
            accounts.update(self._at.get(parent, ()))
        return accounts


def _domain(pattern: str) -> str:
    return pattern.rpartition("@")[2].lstrip(".")


def _upwards(domain: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def _decrement(index: dict[str, Counter[str]], domain: str, account: str) -> None:
    counts = index.get(domain, Counter())
    counts[account] -= 1
    if counts[account] <= 0:
        del counts[account]
    if not counts:
        index.pop(domain, None)
