"""Counts mails again from events, so that usage is known as of any record of MAIL. Pure."""

from array import array
from bisect import bisect_left, bisect_right

from varco_ratelimit.counters import WHOLE_ACCOUNT, WHOLE_ACCOUNT_MERGE
from varco_ratelimit.window_counter import METERS, NO_AMOUNTS, Amounts

_WIDTH = len(METERS)


class RunningSums:
    """One sender, or one whole account.

    Each mail with its time, its sequence in MAIL, and the sums up to it.

    Mails of the same `merge` milliseconds are one mail, as old as the newest of them, as in
    WindowCounter.
    """

    __slots__ = ("_merge", "_sums", "sequences", "times")

    def __init__(self, merge: int = 0) -> None:
        self.times, self.sequences = array("q"), array("q")
        self._sums = [array("q", (0,)) for _ in range(_WIDTH)]
        self._merge = merge

    def add(self, at: int, sequence: int, amounts: Amounts) -> None:
        """A mail; its time is never before that of the last one."""
        self.times.append(max(at, self.times[-1]) if self.times else at)
        self.sequences.append(sequence)
        for sums, amount in zip(self._sums, amounts, strict=True):
            sums.append(sums[-1] + amount)

    def before(self, sequence: int) -> int:
        """The number of mails up to and with this sequence."""
        return bisect_right(self.sequences, sequence)

    def used(self, place: int, since: int, end: int) -> int:
        """The use by the first `end` mails that were stored at `since` or later."""
        first = self._first(since, end)
        return self._sums[place][end] - self._sums[place][first]

    def room_from(self, place: int, since: int, most: int, end: int) -> int | None:
        """As WindowCounter.room_from, of the first `end` mails."""
        sums, first = self._sums[place], self._first(since, end)
        spent = sums[end] - most
        if sums[first] >= spent:
            return None
        gone = bisect_left(sums, spent, lo=first, hi=end + 1)
        return self._newest_beside(gone - 1, end)

    def _first(self, since: int, end: int) -> int:
        first = bisect_left(self.times, since, hi=end)
        if not self._merge or first == end:
            return first
        return bisect_left(self.times, self.times[first] // self._merge * self._merge, hi=end)

    def _newest_beside(self, index: int, end: int) -> int:
        if not self._merge:
            return self.times[index]
        over = (self.times[index] // self._merge + 1) * self._merge
        return self.times[bisect_left(self.times, over, hi=end) - 1]


class _Counted:
    """RunningSums as of a sequence: the UsageCounter of a decision."""

    __slots__ = ("_end", "_sums")

    def __init__(self, sums: RunningSums, end: int) -> None:
        self._sums, self._end = sums, end

    def used(self, place: int, since: int) -> int:
        return self._sums.used(place, since, self._end)

    def room_from(self, place: int, since: int, most: int) -> int | None:
        return self._sums.room_from(place, since, most, self._end)


_NOTHING = RunningSums()


class ReplayCounters:
    """One account's mails."""

    def __init__(self) -> None:
        self._senders: dict[str, RunningSums] = {}
        self._whole = RunningSums(WHOLE_ACCOUNT_MERGE)

    def add(self, sender: str, at: int, sequence: int, amounts: Amounts) -> None:
        """A mail, in the order in which they are counted."""
        sums = self._senders.get(sender)
        if sums is None:
            self._senders[sender] = sums = RunningSums()
        sums.add(at, sequence, amounts)
        self._whole.add(at, sequence, amounts)

    def as_of(self, sequence: int, pending: Amounts = NO_AMOUNTS, whole: Amounts = NO_AMOUNTS) -> "CountersAsOf":
        return CountersAsOf(self, sequence, pending, whole)

    def sums(self, sender: str) -> RunningSums:
        return self._whole if sender == WHOLE_ACCOUNT else self._senders.get(sender, _NOTHING)


class CountersAsOf:
    """The UsageCounters of a vote: MAIL up to `sequence`, and what was pending then."""

    __slots__ = ("_pending", "_recount", "_sequence", "_whole")

    def __init__(self, recount: ReplayCounters, sequence: int, pending: Amounts, whole: Amounts) -> None:
        self._recount, self._sequence, self._pending, self._whole = recount, sequence, pending, whole

    def of(self, sender: str) -> _Counted:
        sums = self._recount.sums(sender)
        return _Counted(sums, sums.before(self._sequence))

    def pending(self, sender: str, place: int) -> int:
        return (self._whole if sender == WHOLE_ACCOUNT else self._pending)[place]
