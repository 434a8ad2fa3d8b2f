"""The records that MAIL holds: where they are, and what must go with them. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.bus import StoredRecord


class _Body(msgspec.Struct, frozen=True):
    object: str = ""


class _Outline(msgspec.Struct, frozen=True):
    """The part of a record that matters here. A converted mail's record has an `original`."""

    body: _Body
    original: int = 0


_outline = msgspec.json.Decoder(_Outline)


class ErasurePlan(NamedTuple):
    """First the `overwritten` are erased one by one, then all below `before`, then the `single`.

    `ranges` are the first and last sequences of what goes, for the event.
    """

    overwritten: tuple[int, ...]
    before: int
    single: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]


class SubjectRecords:
    """The records of one subject in order. `at` are times in MAIL, in milliseconds since 1970."""

    __slots__ = ("at", "sequences")

    def __init__(self) -> None:
        self.sequences = array("q")
        self.at = array("q")

    def add(self, sequence: int, at: int) -> None:
        self.sequences.append(sequence)
        self.at.append(max(at, self.at[-1]) if self.at else at)

    def drop(self, gone: Collection[int]) -> None:
        left = [index for index, sequence in enumerate(self.sequences) if sequence not in gone]
        self.sequences = array("q", [self.sequences[index] for index in left])
        self.at = array("q", [self.at[index] for index in left])

    def until(self, at: int) -> Sequence[int]:
        """The sequences of those that were stored at `at` or before."""
        return self.sequences[: bisect_right(self.at, at)]


class RetainedRecords:
    """The records of all subjects.

    `unerasable` are sequences that stay until MAIL's own limit drops them: what can't be decoded,
    and dead letters.
    """

    def __init__(self) -> None:
        self.by_subject: dict[str, SubjectRecords] = {}
        self.unerasable: set[int] = set()
        self._objects: dict[int, str] = {}
        self._object_users: Counter[str] = Counter()  # an unconverted mail shares its original's body
        self._originals: dict[int, int] = {}  # converted mail to original

    def __len__(self) -> int:
        return sum(len(records.sequences) for records in self.by_subject.values())

    def add(self, record: StoredRecord) -> None:
        """A record that was appended to MAIL."""
        self.by_subject.setdefault(record.subject, SubjectRecords()).add(record.sequence, record.at)
        try:
            outline = decode_json(_outline, record.record)
        except msgspec.DecodeError:
            self.unerasable.add(record.sequence)
            return
        if outline.body.object:
            self._objects[record.sequence] = outline.body.object
            self._object_users[outline.body.object] += 1
        if outline.original:
            self._originals[record.sequence] = outline.original

    def due(self, at: int) -> Iterator[tuple[str, Sequence[int]]]:
        """By subject, the erasable records that were stored at `at` (ms since 1970) or before."""
        for subject in [*self.by_subject]:
            if due := [s for s in self.by_subject[subject].until(at) if s not in self.unerasable]:
                yield subject, due

    def drop_before(self, first: int) -> None:
        """MAIL itself has dropped everything below `first`."""
        for subject, records in [*self.by_subject.items()]:
            if gone := {*records.sequences[: bisect_left(records.sequences, first)]}:
                self.drop(subject, gone)
        self.unerasable = {sequence for sequence in self.unerasable if sequence >= first}

    def without_originals(self, subject: str, sequences: Sequence[int]) -> list[int]:
        """Leaves out mails whose original MAIL still has.

        filelink sees by the converted mail that it need not convert the original again.
        """
        records = self.by_subject.get(subject.replace("mail.converted.", "mail.convert.", 1))
        present = {*records.sequences} if records and self._originals else set()
        return [sequence for sequence in sequences if self._originals.get(sequence) not in present]

    def plan(self, subject: str, gone: Collection[int], overwritten: Collection[int]) -> ErasurePlan:
        """How to erase `gone`. The bytes of those in `overwritten` must not stay on the disk."""
        ranges, before, single = list[tuple[int, int]](), 0, list[int]()
        previous_goes, leading = False, True
        for sequence in self.by_subject[subject].sequences:
            if sequence in gone:
                ranges[-1:] = [(ranges[-1][0], sequence)] if previous_goes else [*ranges[-1:], (sequence, sequence)]
                if leading:
                    before = sequence + 1
                elif sequence not in overwritten:
                    single.append(sequence)
            else:
                leading = False
            previous_goes = sequence in gone
        return ErasurePlan(tuple(sorted({*gone} & {*overwritten})), before, tuple(single), tuple(ranges))

    def objects(self, gone: Collection[int]) -> list[str]:
        """The keys in the object store of bodies that no other record refers to."""
        users = Counter(self._objects[sequence] for sequence in gone if sequence in self._objects)
        return [key for key, count in users.items() if count == self._object_users[key]]

    def drop(self, subject: str, gone: Collection[int]) -> None:
        """The records are erased."""
        records = self.by_subject[subject]
        records.drop(gone)
        if not records.sequences:
            del self.by_subject[subject]
        for sequence in gone:
            self._originals.pop(sequence, None)
            if key := self._objects.pop(sequence, ""):
                self._object_users[key] -= 1
                if not self._object_users[key]:
                    del self._object_users[key]
