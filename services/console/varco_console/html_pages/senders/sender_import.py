"""A CSV file of senders: which are new, which are there already, which are none. Pure."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from varco_common.base.errors import RefusedCommand
from varco_common.mail.sender_patterns import normal_sender_pattern
from varco_console.web.formula_marks import without_mark

MAX_LINES = 20_000
_READ = 1_000  # characters of a line: a longer first cell is no sender, and csv raises from 131,072 on
_HEADINGS = ("sender", "pattern", "address", "mittente", "indirizzo")


class Rejected(NamedTuple):
    """A line that does not become a sender, and why."""

    line: int
    text: str
    why: str


class SenderImport(NamedTuple):
    """What a file would do. `new` has the line of each sender that it would add.

    `repeated` counts the lines that say the same as an earlier one.
    """

    new: Mapping[str, int] = MappingProxyType({})
    known: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    repeated: int = 0

    def without(self, refused: Iterable[tuple[str, str]]) -> "SenderImport":
        """Without the new ones that policy refuses: pairs of a sender, and why."""
        whys = dict(refused)
        rejected = [Rejected(line, sender, whys[sender]) for sender, line in self.new.items() if sender in whys]
        new = {sender: line for sender, line in self.new.items() if sender not in whys}
        return self._replace(new=new, rejected=tuple(sorted((*self.rejected, *rejected))))


def read_senders(text: str, current: Collection[str]) -> SenderImport:
    """The first column of each line. Empty lines, a line of headings and comments are skipped."""
    new: dict[str, int] = {}
    known: dict[str, int] = {}
    rejected, repeated = [], 0
    for line, cell in _cells(text):
        try:
            sender = normal_sender_pattern(cell)
        except RefusedCommand as refusal:
            rejected.append(Rejected(line, cell, str(refusal)))
            continue
        repeated += sender in new or sender in known
        (known if sender in current else new).setdefault(sender, line)
    return SenderImport(new, tuple(known), tuple(rejected), repeated)


def _cells(text: str) -> Iterator[tuple[int, str]]:
    """The number of each line with its first cell. Raises RefusedCommand for too many."""
    lines = text.removeprefix("\ufeff").splitlines()
    if len(lines) > MAX_LINES:
        raise RefusedCommand(f"the file has {len(lines)} lines: at most {MAX_LINES}")
    separator = ";" if sum(line.count(";") for line in lines) > sum(line.count(",") for line in lines) else ","
    for number, line in enumerate(lines, 1):
        cells = next(csv.reader([line[:_READ]], delimiter=separator), [])
        cell = without_mark("".join(cells[:1]).strip())
        if cell and cell[0] != "#" and not (number == 1 and cell.lower() in _HEADINGS):
            yield number, cell
