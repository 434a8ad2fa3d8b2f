"""Which accounts have declared senders at a domain, above it or below it."""

from collections import Counter
from collections.abc import Iterator


class DomainIndex:
    """Patterns come in the form of `forms.sender_pattern`; the same one may be put by several accounts."""

    def __init__(self) -> None:
        self._at: dict[str, Counter[str]] = {}
        self._at_or_below: dict[str, Counter[str]] = {}

    def put(self, pattern: str, account: str) -> None:
        domain = _domain(pattern)
        self._at.setdefault(domain, Counter())[account] += 1
        for above in _upwards(domain):
            self._at_or_below.setdefault(above, Counter())[account] += 1

    def drop(self, pattern: str, account: str) -> None:
        domain = _domain(pattern)
        _less(self._at, domain, account)
        for above in _upwards(domain):
            _less(self._at_or_below, above, account)

    def accounts_claiming_domain(self, pattern: str) -> set[str]:
        """The accounts that have any sender at the pattern's domain, or at one above or below it."""
        domain = _domain(pattern)
        found = set(self._at_or_below.get(domain, ()))
        for above in _upwards(domain):
            found.update(self._at.get(above, ()))
        return found


def _domain(pattern: str) -> str:
    return pattern.rpartition("@")[2].lstrip(".")


def _upwards(domain: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def _less(index: dict[str, Counter[str]], domain: str, account: str) -> None:
    held = index.get(domain)
    if held is None:
        return
    held[account] -= 1
    if held[account] <= 0:
        del held[account]
    if not held:
        del index[domain]
