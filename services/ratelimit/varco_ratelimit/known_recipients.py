"""Whom each sender has written to lately: one number for each pair of sender and recipient, in flat arrays.

A pair is 48 bits of a hash with the day of the last mail in 16 bits: eight bytes, some 13 with the free places. Two pairs
in twenty million share a hash with a chance of one in ten million, and then a new recipient passes for a known one.
"""

from array import array
from collections.abc import Iterable
from hashlib import blake2b

from varco_ratelimit.quota_windows import DAY

DAYS = 90  # after so many days without a mail a recipient is new again
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
    """1,024 tables, so that none is ever so large that making it anew is felt."""

    def __init__(self) -> None:
        self._tables = [PairTable() for _ in range(1 << _TABLE_BITS)]
        self.fresh: dict[int, int] = {}  # what is not in the database yet

    def __len__(self) -> int:
        return sum(table.taken for table in self._tables)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(table.places) * 8 for table in self._tables)

    def knows(self, pair: int, day: int) -> bool:
        """Whether the pair's last mail is at most `DAYS` before `day`."""
        last = self._tables[pair >> _TABLE_SHIFT].day(pair)
        return last is not None and last + DAYS >= day

    def put(self, pair: int, day: int) -> bool:
        """Whether that was news."""
        return self._tables[pair >> _TABLE_SHIFT].put(pair, day)

    def meet(self, pair: int, day: int) -> None:
        """A mail of that day."""
        if self.put(pair, day):
            self.fresh[pair] = day

    def take(self) -> dict[int, int]:
        """Pairs and days to save; `give_back` what could not be."""
        taken, self.fresh = self.fresh, {}
        return taken

    def give_back(self, pairs: dict[int, int]) -> None:
        self.fresh = pairs | self.fresh


class PairTable:
    """Open addressing with linear probing; a place that is 0 is free. Nothing is removed but when the table is made anew."""

    __slots__ = ("places", "taken")

    def __init__(self) -> None:
        self.places = array("Q", bytes(8 * _SMALLEST))
        self.taken = 0

    def day(self, pair: int) -> int | None:
        held = self.places[self._find(pair)]
        return held & _DAY_MASK if held else None

    def put(self, pair: int, day: int) -> bool:
        place = self._find(pair)
        held = self.places[place]
        if held and held & _DAY_MASK >= day:
            return False
        self.places[place] = pair << _DAY_BITS | day
        if not held:
            self.taken += 1
            if self.taken * 3 > len(self.places) * 2:
                self._renew(day)
        return True

    def _find(self, pair: int) -> int:
        places, mask = self.places, len(self.places) - 1
        place = pair & mask
        while (held := places[place]) and held >> _DAY_BITS != pair:
            place = place + 1 & mask
        return place

    def _renew(self, day: int) -> None:
        """Larger where need be, and without what is forgotten."""
        lasting = [held for held in self.places if held and (held & _DAY_MASK) + DAYS >= day]
        size = len(self.places)
        while len(lasting) * 2 > size:
            size *= 2
        self.places, self.taken = array("Q", bytes(8 * size)), len(lasting)
        for held in lasting:
            self.places[self._find(held >> _DAY_BITS)] = held


def first_time_count(memory: KnownRecipients, account: str, sender: str, recipients: Iterable[str], at: int) -> int:
    """How many recipients the sender hasn't written to lately."""
    day = day_of(at)
    return sum(not memory.knows(pair_of(account, sender, one), day) for one in recipients)
