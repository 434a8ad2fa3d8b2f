"""The records that stream MAIL still has, as far as erasing them needs to know: where they are, and what else goes. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from varco_common.bus import StoredRecord


class _Body(msgspec.Struct, frozen=True):
    object: str = ""


class _Outline(msgspec.Struct, frozen=True):
    """As much of a record as matters here; `original` is that of a converted mail."""

    body: _Body
    original: int = 0


_outline = msgspec.json.Decoder(_Outline)


class ErasurePlan(NamedTuple):
    """How records go: `wiped` one by one and overwritten, then all below `before`, then `single` ones."""

    wiped: tuple[int, ...]
    before: int
    single: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]


class SubjectRecords:
    """One subject's records, in order; `at` is when they were stored, in milliseconds since 1970."""

    __slots__ = ("at", "sequences")

    def __init__(self) -> None:
        self.sequences = array("q")
        self.at = array("q")

    def add(self, sequence: int, at: int) -> None:
        self.sequences.append(sequence)
        self.at.append(max(at, self.at[-1]) if self.at else at)

    def drop(self, gone: Collection[int]) -> None:
        left = [place for place, sequence in enumerate(self.sequences) if sequence not in gone]
        self.sequences = array("q", [self.sequences[place] for place in left])
        self.at = array("q", [self.at[place] for place in left])

    def until(self, at: int) -> Sequence[int]:
        """Those that were stored then or before."""
        return self.sequences[: bisect_right(self.at, at)]


class RetainedRecords:
    """All subjects. What is no record stays until MAIL itself drops it."""

    def __init__(self) -> None:
        self.lanes: dict[str, SubjectRecords] = {}
        self.held: set[int] = set()  # what isn't erased, whoever needs it or not
        self._objects: dict[int, str] = {}
        self._users: Counter[str] = Counter()  # two records may have one body: a mail that could not be converted
        self._originals: dict[int, int] = {}  # of converted mails, the one that each was made from

    def __len__(self) -> int:
        return sum(len(lane.sequences) for lane in self.lanes.values())

    def add(self, record: StoredRecord) -> None:
        self.lanes.setdefault(record.subject, SubjectRecords()).add(record.sequence, record.at)
        try:
            outline = _outline.decode(record.record)
        except msgspec.DecodeError:
            self.held.add(record.sequence)
            return
        if outline.body.object:
            self._objects[record.sequence] = outline.body.object
            self._users[outline.body.object] += 1
        if outline.original:
            self._originals[record.sequence] = outline.original

    def due(self, at: int) -> Iterator[tuple[str, Sequence[int]]]:
        """By subject, what was stored at `at` (milliseconds since 1970) or before and isn't held."""
        for subject in [*self.lanes]:
            if found := [one for one in self.lanes[subject].until(at) if one not in self.held]:
                yield subject, found

    def forget(self, first: int) -> None:
        """MAIL has nothing any more below `first`: its own time for that is over."""
        for subject, lane in [*self.lanes.items()]:
            if gone := {*lane.sequences[: bisect_left(lane.sequences, first)]}:
                self.drop(subject, gone)
        self.held = {one for one in self.held if one >= first}

    def without_originals(self, subject: str, sequences: Sequence[int]) -> list[int]:
        """Without mails whose original is still there: filelink knows by them that it has converted it."""
        if not any(one in self._originals for one in sequences):
            return [*sequences]
        lane = self.lanes.get(subject.replace("mail.converted.", "mail.convert.", 1))
        there = {*lane.sequences} if lane else set()
        return [one for one in sequences if self._originals.get(one) not in there]

    def plan(self, subject: str, gone: Collection[int], wiped: Collection[int]) -> ErasurePlan:
        """`gone` are this subject's that nobody needs, `wiped` those of them whose bytes must not stay on the disk."""
        lane = self.lanes[subject].sequences
        ranges, before, single = list[tuple[int, int]](), 0, list[int]()
        last_was_gone, leading = False, True
        for sequence in lane:
            if sequence in gone:
                ranges[-1:] = [(ranges[-1][0], sequence)] if last_was_gone else [*ranges[-1:], (sequence, sequence)]
                if leading:
                    before = sequence + 1
                elif sequence not in wiped:
                    single.append(sequence)
            else:
                leading = False
            last_was_gone = sequence in gone
        return ErasurePlan(tuple(sorted({*gone} & {*wiped})), before, tuple(single), tuple(ranges))

    def objects(self, gone: Collection[int]) -> list[str]:
        """The bodies in the object store that no other record has."""
        users = Counter(self._objects[one] for one in gone if one in self._objects)
        return [key for key, count in users.items() if count == self._users[key]]

    def drop(self, subject: str, gone: Collection[int]) -> None:
        """They are erased."""
        lane = self.lanes[subject]
        lane.drop(gone)
        if not lane.sequences:
            del self.lanes[subject]
        for one in gone:
            self._originals.pop(one, None)
            if key := self._objects.pop(one, ""):
                self._users[key] -= 1
                if not self._users[key]:
                    del self._users[key]
