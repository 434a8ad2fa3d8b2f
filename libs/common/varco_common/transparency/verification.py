"""Events against checkpoints, one after the other: is it the log that was signed, and where does it first depart from it?"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.leaf import LogEntry, absent, hash_of
from varco_common.transparency.merkle_tree import Frontier
from varco_common.transparency.signed_note import BadNote

SIGNED_HERE = "events.audit.checkpoint-signed."  # subjects of the events that hold checkpoints themselves

_WINDOW = 1_000  # events after a departure that are looked at to say what it is
_INNER_MOST = 100_000

Hashes = Callable[[int], bytes]  # the leaf hash at an index, from 0


class Deviation(StrEnum):
    """How the log departs from the one that was signed."""

    CHANGED = "changed"
    DROPPED = "dropped"
    ADDED = "added"
    REORDERED = "reordered"
    CUT = "cut off"
    SOMEWHERE = "altered"  # without leaf hashes: between two checkpoints


class Finding(NamedTuple):
    """The first departure: of the events `sequence` .. `until`. `text` is for people."""

    departure: Deviation
    sequence: int
    until: int
    text: str


class BadHashes(ValueError):
    """The leaf hashes aren't those of a checkpoint; the text says of which."""


class Forked(ValueError):
    """Two checkpoints that can't be of one log."""


def in_order(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """By size, each size once. Raises Forked where two of one size differ: somebody was shown another log."""
    found: dict[int, Checkpoint] = {}
    for one in checkpoints:
        if found.setdefault(one.size, one).root != one.root:
            raise Forked(f"two checkpoints of {one.size} events differ: the log was shown in two versions")
    return [found[size] for size in sorted(found)]


def fits(hashes: Iterable[bytes], checkpoints: Sequence[Checkpoint]) -> None:
    """Raises BadHashes where these leaf hashes, in order, don't have the roots of the checkpoints (`in_order`)."""
    frontier, due = Frontier(), [*checkpoints]
    while due and due[0].size == 0:
        _compare(frontier, due.pop(0))
    for one in hashes:
        if not due:
            return
        frontier.append(one)
        if frontier.size == due[0].size:
            _compare(frontier, due.pop(0))
    if due:
        raise BadHashes(f"{frontier.size} leaf hashes are fewer than the {due[0].size} of a checkpoint")


def _compare(frontier: Frontier, checkpoint: Checkpoint) -> None:
    if frontier.root() != checkpoint.root:
        raise BadHashes(f"the leaf hashes aren't those of the checkpoint of {checkpoint.size} events")


class HistoryVerifier:
    """Takes the events in order (`push`), then `end`; both say the first departure, after which nothing more is to be taken.

    `checkpoints` are trusted already, and `in_order`. With `hashes`, which `fits` has found right, the departure is named
    exactly; else by the last checkpoint before and the first after it. Events before `first` aren't there any more: then
    `hashes` must be given.
    """

    def __init__(self, checkpoints: Sequence[Checkpoint], hashes: Hashes | None = None, first: int = 1) -> None:
        self.size = checkpoints[-1].size if checkpoints else 0
        self.index = first - 1  # how many leaves are done with
        self.inner: list[Checkpoint] = []  # checkpoints in the log itself, not trusted yet, since the last good one
        self._due = [*checkpoints]
        self._hashes = hashes
        self._frontier = Frontier()
        self._good = 0
        self._gap: Finding | None = None
        self._suspects: list[LogEntry] = []
        if not hashes:
            self._at_checkpoint()

    def push(self, entry: LogEntry) -> Finding | None:
        if self._suspects:
            self._suspects.append(entry)
            return self._judge() if len(self._suspects) > _WINDOW else None
        if self.index >= self.size:  # behind the last checkpoint: nothing says what ought to be here
            self.index = max(self.index + 1, entry.sequence)
            return None
        return self._compared(entry, self._hashes) if self._hashes else self._counted(entry)

    def end(self) -> Finding | None:
        if self._suspects:
            return self._judge()
        if self.index >= self.size:
            return None
        text = f"the log ends with event {self.index}, and {self.size} were signed"
        if not self._hashes and self._good < self.index:
            text += f"; without leaf hashes events {self._good + 1} to {self.index} can't be judged"
        return Finding(Deviation.CUT, self.index + 1, self.size, text)

    # with leaf hashes

    def _compared(self, entry: LogEntry, hashes: Hashes) -> Finding | None:
        while (
            entry.sequence > self.index + 1 and self.index < self.size and hashes(self.index) == absent(self.index + 1)
        ):
            self.index += 1
        if self.index >= self.size:
            return self.push(entry)
        if entry.sequence == self.index + 1 and hash_of(entry) == hashes(self.index):
            self.index += 1
        else:
            self._suspects.append(entry)
        return None

    def _judge(self) -> Finding:
        """What happened at `index`, by what follows: the same contents are looked for at other places."""
        assert self._hashes
        index, first = self.index, self._suspects[0]
        expected = index + 1
        ahead = self._ahead(first)
        came_later = next((n for n, one in enumerate(self._suspects) if self._belongs(one, index)), 0)
        if self._belongs(first, index):
            text = f"event {expected} stands at {first.sequence}"
            return Finding(Deviation.REORDERED, expected, expected, text)
        if ahead and came_later:
            text = f"event {expected} comes {came_later} later than it was signed: event {expected + ahead} is in its place"
            return Finding(Deviation.REORDERED, expected, expected + ahead, text)
        if ahead:
            return Finding(Deviation.DROPPED, expected, index + ahead, f"{_events(expected, index + ahead)} gone")
        if came_later:
            last = index + came_later
            text = f"{_events(expected, last)} added: event {expected} of the signed log comes behind"
            return Finding(Deviation.ADDED, expected, last, text)
        if self._hashes(index) == absent(expected):
            return Finding(Deviation.ADDED, expected, expected, f"event {expected} added: there was none")
        return Finding(Deviation.CHANGED, expected, expected, f"event {expected} isn't as it was signed")

    def _ahead(self, entry: LogEntry) -> int:
        """How many places later this content was signed; 0: it wasn't. Further than the window, by its own sequence alone."""
        last = min(self.index + _WINDOW, self.size - 1)
        near = next((place - self.index for place in range(self.index + 1, last + 1) if self._belongs(entry, place)), 0)
        place = entry.sequence - 1
        return near or (place - self.index if last < place < self.size and self._belongs(entry, place) else 0)

    def _belongs(self, entry: LogEntry, index: int) -> bool:
        assert self._hashes
        return hash_of(entry._replace(sequence=index + 1)) == self._hashes(index)

    # without

    def _counted(self, entry: LogEntry) -> Finding | None:
        if entry.sequence <= self.index:
            if self._gap and entry.sequence == self._gap.sequence:
                text = f"event {entry.sequence} comes behind event {self.index}"
                return Finding(Deviation.REORDERED, entry.sequence, self.index, text)
            text = f"another event {entry.sequence} behind event {self.index}"
            return Finding(Deviation.ADDED, entry.sequence, self.index, text)
        if entry.sequence > self.index + 1 and not self._gap:
            text = f"{_events(self.index + 1, entry.sequence - 1)} missing"
            self._gap = Finding(Deviation.DROPPED, self.index + 1, entry.sequence - 1, text)
        while self.index + 1 < entry.sequence and self.index < self.size:
            if found := self._took(absent(self.index + 1)):
                return found
        if self.index >= self.size:
            return self.push(entry)
        found = self._took(hash_of(entry))
        if not found and entry.subject.startswith(SIGNED_HERE):
            self._note(entry)
        return found

    def _took(self, leaf: bytes) -> Finding | None:
        self._frontier.append(leaf)
        self.index += 1
        return self._at_checkpoint()

    def _at_checkpoint(self) -> Finding | None:
        if not self._due or self._due[0].size != self.index:
            return None
        checkpoint = self._due.pop(0)
        if self._frontier.root() == checkpoint.root:
            self._good, self._gap = checkpoint.size, None
            self.inner.clear()
            return None
        if self._gap:
            return self._gap
        text = f"altered between events {self._good + 1} and {checkpoint.size}"
        return Finding(Deviation.SOMEWHERE, self._good + 1, checkpoint.size, text)

    def _note(self, entry: LogEntry) -> None:
        if checkpoint := inner(entry):
            self.inner.append(checkpoint)
            if len(self.inner) > _INNER_MOST:
                del self.inner[::2]


class _Signed(msgspec.Struct):
    note: str


def inner(entry: LogEntry) -> Checkpoint | None:
    """The checkpoint that a CheckpointSigned holds, unverified; None where it holds none."""
    try:
        return Checkpoint.parse(msgspec.json.decode(entry.payload, type=_Signed).note)
    except (msgspec.DecodeError, UnicodeDecodeError, BadNote):
        return None


def _events(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"
