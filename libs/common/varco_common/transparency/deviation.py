"""How a log can differ from the signed one, and how the first deviation is classified."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from varco_common.transparency.leaf import LogEntry, absent, hash_of

WINDOW = 1_000  # events after a deviation that are examined to classify it

Hashes = Callable[[int], bytes]  # the leaf hash at an index, from 0


class Deviation(StrEnum):
    """How the log differs from the signed one."""

    CHANGED = "changed"
    DROPPED = "dropped"
    ADDED = "added"
    REORDERED = "reordered"
    CUT = "cut off"
    SOMEWHERE = "altered"  # without leaf hashes: between two checkpoints


class Finding(NamedTuple):
    """The first deviation: the events `sequence` to `until`. `text` is for people."""

    departure: Deviation
    sequence: int
    until: int
    text: str


def classify(suspects: Sequence[LogEntry], index: int, size: int, hashes: Hashes) -> Finding:
    """Classifies the deviation at leaf `index`: searches for the same contents at other places.

    `suspects` are the event at that place and up to WINDOW behind it; `size` events were signed.
    """
    first, expected = suspects[0], index + 1
    ahead = _places_ahead(first, index, size, hashes)
    came_later = next((n for n, suspect in enumerate(suspects) if _belongs(suspect, index, hashes)), 0)
    if _belongs(first, index, hashes):
        text = f"event {expected} stands at {first.sequence}"
        return Finding(Deviation.REORDERED, expected, expected, text)
    if ahead and came_later:
        text = f"event {expected} comes {came_later} later than it was signed: event {expected + ahead} is in its place"
        return Finding(Deviation.REORDERED, expected, expected + ahead, text)
    if ahead:
        return Finding(Deviation.DROPPED, expected, index + ahead, f"{events_text(expected, index + ahead)} gone")
    if came_later:
        last = index + came_later
        text = f"{events_text(expected, last)} added: event {expected} of the signed log comes behind"
        return Finding(Deviation.ADDED, expected, last, text)
    if hashes(index) == absent(expected):
        return Finding(Deviation.ADDED, expected, expected, f"event {expected} added: there was none")
    return Finding(Deviation.CHANGED, expected, expected, f"event {expected} isn't as it was signed")


def _places_ahead(entry: LogEntry, index: int, size: int, hashes: Hashes) -> int:
    """How many places later this content was signed; 0: it was not.

    Beyond the window, only the place of its own sequence is compared.
    """
    last = min(index + WINDOW, size - 1)
    near = next((place - index for place in range(index + 1, last + 1) if _belongs(entry, place, hashes)), 0)
    place = entry.sequence - 1
    return near or (place - index if last < place < size and _belongs(entry, place, hashes) else 0)


def _belongs(entry: LogEntry, index: int, hashes: Hashes) -> bool:
    return hash_of(entry._replace(sequence=index + 1)) == hashes(index)


def events_text(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"
