"""Which recipients each sender has written to lately.

One number for each pair of sender and recipient, in flat arrays.

The hash table is written by hand for its size: a million pairs take some 13 bytes each, and a
Python dict takes about six times as much (`python -m bench.quota_memory` measures it). A pair is 48
bits of a hash, with the day of its last mail in 16 bits. Among twenty million pairs, a new one has
the hash of a known one with a chance of one in ten million; that recipient then passes for a known
one.
"""

from array import array
from collections.abc import Iterable
from hashlib import blake2b

from varco_ratelimit.quota_windows import DAY

DAYS = 90  # a recipient is new again after this many days without a mail
_DAY_BITS = 16
_DAY_MASK = (1 << _DAY_BITS) - 1
_SMALLEST = 1 << 4
_TABLE_BITS = 10
_TABLE_SHIFT = 48 - _TABLE_BITS


def day_of(at: int) -> int:
    """Days since 1970, UTC."""
    return at // DAY


def pair_of(account: str, sender: str, recipient: str) -> int:
    """48 bits, never 0. `sender` and `recipient` are in the form that `sender_key` gives."""
    digest = blake2b(f"{account}\0{sender}\0{recipient}".encode(errors="surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest) or 1


class KnownRecipients:
    """1,024 tables: growing one of them is so quick that no vote waits for it."""

    def __init__(self) -> None:
        self._tables = [PairTable() for _ in range(1 << _TABLE_BITS)]
        self.unsaved: dict[int, int] = {}  # pair -> day, not in the database yet

    def __len__(self) -> int:
        return sum(table.taken for table in self._tables)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(table.slots) * 8 for table in self._tables)

    def knows(self, pair: int, day: int) -> bool:
        """Whether the last mail of the pair is at most `DAYS` before `day`."""
        last = self._tables[pair >> _TABLE_SHIFT].day(pair)
        return last is not None and last + DAYS >= day

    def put(self, pair: int, day: int) -> bool:
        """Whether this changed anything."""
        return self._tables[pair >> _TABLE_SHIFT].put(pair, day)

    def add_mail(self, pair: int, day: int) -> None:
        """A mail of that day, to be saved."""
        if self.put(pair, day):
            self.unsaved[pair] = day

    def take(self) -> dict[int, int]:
        """Pairs and days to save; `give_back` those that could not be saved."""
        taken, self.unsaved = self.unsaved, {}
        return taken

    def give_back(self, pairs: dict[int, int]) -> None:
        self.unsaved = pairs | self.unsaved


class PairTable:
    """Open addressing with linear probing; a free slot is 0.

    Old pairs are dropped only when the table is rebuilt.
    """

    __slots__ = ("slots", "taken")

    def __init__(self) -> None:
        self.slots = array("Q", bytes(8 * _SMALLEST))
        self.taken = 0

    def day(self, pair: int) -> int | None:
        entry = self.slots[self._find(pair)]
        return entry & _DAY_MASK if entry else None

    def put(self, pair: int, day: int) -> bool:
        slot = self._find(pair)
        entry = self.slots[slot]
        if entry and entry & _DAY_MASK >= day:
            return False
        self.slots[slot] = pair << _DAY_BITS | day
        if not entry:
            self.taken += 1
            if self.taken * 3 > len(self.slots) * 2:
                self._rebuild(day)
        return True

    def _find(self, pair: int) -> int:
        """The slot of the pair, or the free one where it belongs."""
        slots, mask = self.slots, len(self.slots) - 1
        slot = pair & mask
        while (entry := slots[slot]) and entry >> _DAY_BITS != pair:
            slot = slot + 1 & mask
        return slot

    def _rebuild(self, day: int) -> None:
        """Drops the pairs that are too old, and grows where that is not enough."""
        entries = [entry for entry in self.slots if entry and (entry & _DAY_MASK) + DAYS >= day]
        size = len(self.slots)
        while len(entries) * 2 > size:
            size *= 2
        self.slots, self.taken = array("Q", bytes(8 * size)), len(entries)
        for entry in entries:
            self.slots[self._find(entry >> _DAY_BITS)] = entry


def first_time_count(known: KnownRecipients, account: str, sender: str, recipients: Iterable[str], at: int) -> int:
    """How many of the recipients the sender hasn't written to in the last `DAYS` days."""
    day = day_of(at)
    return sum(not known.knows(pair_of(account, sender, recipient), day) for recipient in recipients)
