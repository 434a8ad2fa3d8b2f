"""What one sender, or one account, has sent.

The mails in order, with running sums, in one flat array.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from varco_common.events import Meter

METERS = (Meter.MESSAGES, Meter.RECIPIENTS, Meter.BYTES, Meter.FIRST_TIME)
PLACE = {meter: place for place, meter in enumerate(METERS)}

Amounts = tuple[int, int, int, int]  # in the order of METERS
NO_AMOUNTS: Amounts = (0, 0, 0, 0)

_WIDTH = len(METERS)
_STEP = _WIDTH + 2


class CountedMail(NamedTuple):
    """A mail that counts.

    When it was stored (milliseconds since 1970), its sequence in MAIL, and its amounts.
    """

    at: int
    sequence: int
    amounts: Amounts


class WindowCounter:
    """For each mail the array holds the four sums before it, its time and its sequence.

    At its end stand the four totals. So the use since any time is one binary search and one
    subtraction, whatever the window is.
    """

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows = array("q", NO_AMOUNTS)

    def __len__(self) -> int:
        return len(self._rows) // _STEP

    def add(self, at: int, sequence: int, amounts: Amounts, *, merge: int = 0) -> None:
        """Adds a mail, never older than the last.

        Mails of the same `merge` milliseconds become one, as old as the newest.
        """
        rows = self._rows
        if len(rows) > _WIDTH:
            last = rows[-_WIDTH - 2]
            at = max(at, last)
            if merge and at // merge == last // merge:
                rows[-_WIDTH - 2], rows[-_WIDTH - 1] = at, sequence
                for place in range(_WIDTH):
                    rows[place - _WIDTH] += amounts[place]
                return
            sums = rows[-_WIDTH:]
            rows.extend((at, sequence, *(sums[place] + amounts[place] for place in range(_WIDTH))))
        else:  # an array of just this size: most senders have one mail
            self._rows = array("q", (*rows, at, sequence, *map(sum, zip(rows, amounts, strict=True))))

    def used(self, place: int, since: int) -> int:
        """The sum of one meter over the mails stored at `since` or later."""
        rows = self._rows
        return rows[place - _WIDTH] - rows[self._find(since) * _STEP + place]

    def room_from(self, place: int, since: int, most: int) -> int | None:
        """When the mail was stored after whose end at most `most` is used.

        None if there is room already.
        """
        rows, first = self._rows, self._find(since)
        spent = rows[place - _WIDTH] - most
        if rows[first * _STEP + place] >= spent:
            return None
        gone = bisect_left(range(len(self) + 1), spent, lo=first, key=lambda index: rows[index * _STEP + place])
        return rows[(gone - 1) * _STEP + _WIDTH]

    def mails(self, since: int) -> Iterator[CountedMail]:
        """The mails stored at `since` or later, the newest first."""
        rows = self._rows
        for index in range(len(self) - 1, self._find(since) - 1, -1):
            here = index * _STEP
            before, after = rows[here : here + _WIDTH], rows[here + _STEP : here + _STEP + _WIDTH]
            first, second, third, fourth = (y - x for x, y in zip(before, after, strict=True))
            yield CountedMail(rows[here + _WIDTH], rows[here + _WIDTH + 1], (first, second, third, fourth))

    def forget(self, before: int) -> bool:
        """Drops older mails. Returns whether the counter is empty then."""
        if gone := self._find(before):
            del self._rows[: gone * _STEP]
        return len(self) == 0

    def _find(self, since: int) -> int:
        """The index of the first mail stored at `since` or later, or the number of mails."""
        rows, count = self._rows, len(self._rows) // _STEP
        if not count or rows[_WIDTH] >= since:  # the common case: all mails count
            return 0
        return bisect_left(range(count), since, key=lambda index: rows[index * _STEP + _WIDTH])
