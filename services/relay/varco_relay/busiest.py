"""Which of very many names are the busiest: metrics have a label for these alone. Pure."""

OTHER = "other"
_REMEMBERED = 10_000  # names
_HALVED_AFTER = 20_000  # counts, so that what was busy long ago gives way


class Busiest:
    """At most `size` names have a label of their own.

    A name that has become twice as busy as the quietest of them takes its place.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._recent: dict[str, float] = {}
        self._labels: set[str] = set()
        self._until_halved = _HALVED_AFTER

    def count(self, name: str, number: int) -> tuple[str, str]:
        """Counts a name. Returns its label, and the label that it replaces; empty: none."""
        self._recent[name] = self._recent.get(name, 0) + number
        self._until_halved -= number
        if self._until_halved <= 0 or len(self._recent) > _REMEMBERED:
            self._halve()
        if name in self._labels:
            return name, ""
        if len(self._labels) < self._size:
            self._labels.add(name)
            return name, ""
        quietest = min(self._labels, key=lambda label: self._recent.get(label, 0))
        if self._recent.get(name, 0) <= 2 * self._recent.get(quietest, 0):
            return OTHER, ""
        self._labels.remove(quietest)
        self._labels.add(name)
        return name, quietest

    def _halve(self) -> None:
        self._until_halved = _HALVED_AFTER
        self._recent = {
            name: number / 2 for name, number in self._recent.items() if number >= 2 or name in self._labels
        }
