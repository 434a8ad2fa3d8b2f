"""Compares events with checkpoints, one after the other, and names the first deviation."""

from collections.abc import Iterable, Sequence

import msgspec

from varco_common.events import CheckpointSigned
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.deviation import WINDOW, Deviation, Finding, Hashes, classify, events_text
from varco_common.transparency.leaf import LogEntry, absent, hash_of
from varco_common.transparency.merkle_tree import Frontier
from varco_common.transparency.signed_note import BadNote

CHECKPOINT_PREFIX = CheckpointSigned.subject_filter("")  # subjects of the events that contain checkpoints

_MAX_INNER = 100_000


class BadHashes(ValueError):
    """The leaf hashes do not match a checkpoint; the text names it."""


class Forked(ValueError):
    """Two checkpoints cannot belong to one log."""


def in_order(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Sorts by size, each size once. Raises Forked if two of one size differ."""
    by_size: dict[int, Checkpoint] = {}
    for checkpoint in checkpoints:
        if by_size.setdefault(checkpoint.size, checkpoint).root != checkpoint.root:
            raise Forked(f"two checkpoints of {checkpoint.size} events differ: the log was shown in two versions")
    return [by_size[size] for size in sorted(by_size)]


def fits(hashes: Iterable[bytes], checkpoints: Sequence[Checkpoint]) -> None:
    """Raises BadHashes if the leaf hashes do not give the roots of the checkpoints."""
    frontier, due = Frontier(), [*checkpoints]
    while due and due[0].size == 0:
        _compare(frontier, due.pop(0))
    for leaf in hashes:
        if not due:
            return
        frontier.append(leaf)
        if frontier.size == due[0].size:
            _compare(frontier, due.pop(0))
    if due:
        raise BadHashes(f"{frontier.size} leaf hashes are fewer than the {due[0].size} of a checkpoint")


def _compare(frontier: Frontier, checkpoint: Checkpoint) -> None:
    if frontier.root() != checkpoint.root:
        raise BadHashes(f"the leaf hashes aren't those of the checkpoint of {checkpoint.size} events")


class HistoryVerifier:
    """Gets the events in order by `push`, then `end`. Both return the first deviation; then stop.

    `checkpoints` are trusted already, and `in_order`. With `hashes`, checked by `fits`, the
    deviation is exact; without, it lies between two checkpoints. If events before `first` are gone,
    `hashes` must be given.
    """

    def __init__(self, checkpoints: Sequence[Checkpoint], hashes: Hashes | None = None, first: int = 1) -> None:
        self.size = checkpoints[-1].size if checkpoints else 0
        self.index = first - 1  # how many leaves are compared
        self.inner: list[Checkpoint] = []  # checkpoints in the log since the last good one, not trusted yet
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
            return self._classify() if len(self._suspects) > WINDOW else None
        if self.index >= self.size:  # behind the last checkpoint: nothing to compare with
            self.index = max(self.index + 1, entry.sequence)
            return None
        return self._with_hashes(entry, self._hashes) if self._hashes else self._without_hashes(entry)

    def end(self) -> Finding | None:
        if self._suspects:
            return self._classify()
        if self.index >= self.size:
            return None
        text = f"the log ends with event {self.index}, and {self.size} were signed"
        if not self._hashes and self._good < self.index:
            text += f"; without leaf hashes events {self._good + 1} to {self.index} can't be judged"
        return Finding(Deviation.CUT, self.index + 1, self.size, text)

    # with leaf hashes

    def _with_hashes(self, entry: LogEntry, hashes: Hashes) -> Finding | None:
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

    def _classify(self) -> Finding:
        assert self._hashes
        return classify(self._suspects, self.index, self.size, self._hashes)

    # without leaf hashes

    def _without_hashes(self, entry: LogEntry) -> Finding | None:
        if entry.sequence <= self.index:
            if self._gap and entry.sequence == self._gap.sequence:
                text = f"event {entry.sequence} comes behind event {self.index}"
                return Finding(Deviation.REORDERED, entry.sequence, self.index, text)
            text = f"another event {entry.sequence} behind event {self.index}"
            return Finding(Deviation.ADDED, entry.sequence, self.index, text)
        if entry.sequence > self.index + 1 and not self._gap:
            text = f"{events_text(self.index + 1, entry.sequence - 1)} missing"
            self._gap = Finding(Deviation.DROPPED, self.index + 1, entry.sequence - 1, text)
        while self.index + 1 < entry.sequence and self.index < self.size:
            if finding := self._append(absent(self.index + 1)):
                return finding
        if self.index >= self.size:
            return self.push(entry)
        finding = self._append(hash_of(entry))
        if not finding and entry.subject.startswith(CHECKPOINT_PREFIX):
            self._add_inner(entry)
        return finding

    def _append(self, leaf: bytes) -> Finding | None:
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

    def _add_inner(self, entry: LogEntry) -> None:
        if checkpoint := inner(entry):
            self.inner.append(checkpoint)
            if len(self.inner) > _MAX_INNER:
                del self.inner[::2]


class _Signed(msgspec.Struct):
    note: str


def inner(entry: LogEntry) -> Checkpoint | None:
    """The checkpoint in a CheckpointSigned event, not verified; None if there is none."""
    try:
        return Checkpoint.parse(msgspec.json.decode(entry.payload, type=_Signed).note)
    except (msgspec.DecodeError, UnicodeDecodeError, BadNote):
        return None
