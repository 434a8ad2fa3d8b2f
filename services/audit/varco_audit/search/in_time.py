"""A page that ends early: events all over the stream take their time."""

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

_AT_ONCE = 4  # each may lie in another block of the stream, which NATS has to decompress


class InTime(Generic[T]):
    """Iterates over parts of `items` until `seconds` after `began`; None: over all at once.

    The first part comes in any case, so that the next page is another one.
    """

    def __init__(self, items: Sequence[T], seconds: float | None, began: float) -> None:
        self._items, self._seconds, self._began = items, seconds, began
        self.taken = 0

    @property
    def is_cut(self) -> bool:
        """Whether it ended before the last of the items."""
        return self.taken < len(self._items)

    def __iter__(self) -> Iterator[Sequence[T]]:
        at_once = _AT_ONCE if self._seconds is not None else max(len(self._items), 1)
        end = self._began + (self._seconds or 0.0)
        while self.is_cut and (self._seconds is None or not self.taken or monotonic() < end):
            part = self._items[self.taken : self.taken + at_once]
            self.taken += len(part)
            yield part
