"""Which process has which partitions: one small document that all of them replace in turn. Pure.

A process says every second that it lives. It votes on its partitions only for `lease` seconds after it began to say so.
Another may take them over when it has seen no sign of life for longer than that: so no two ever vote on one partition at a
time. Times are seconds of a process's own monotonic clock, which are never compared with another's.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from varco_common.base.subjects import PARTITIONS
from varco_ratelimit.counters import Reservation

MAX_HANDED = 1_000  # reservations that a document can carry; with more, the next owner waits


class Partition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One partition. `lost`: its last owner died without a word, so votes of its may still become mails.

    `handed` are the reservations that its last owner left, until the next one has taken them in.
    """

    owner: str = ""
    lost: bool = False
    handed: tuple[Reservation, ...] = ()


class PartitionTable(msgspec.Struct, frozen=True):
    """`members` has by process a number that is another one each time it says that it lives."""

    members: dict[str, int] = {}
    parts: tuple[Partition, ...] = (Partition(),) * PARTITIONS

    def of(self, member: str) -> set[int]:
        """The member's partitions."""
        return {number for number, part in enumerate(self.parts) if part.owner == member}


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(PartitionTable).decode


class Heartbeats:
    """Since when this process has seen another's number as it is."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self, members: Mapping[str, int], now: float) -> None:
        self._seen = {
            member: self._seen[member] if member in self._seen and self._seen[member][0] == beat else (beat, now)
            for member, beat in members.items()
        }

    def silent(self, longer_than: float, now: float) -> set[str]:
        """Who hasn't been heard of for so many seconds."""
        return {member for member, (_, since) in self._seen.items() if now - since > longer_than}


def step(shares: PartitionTable, me: str, beat: int, dead: set[str], settled: set[int]) -> PartitionTable:
    """One sign of life of `me`: the dead are struck off, what is free is taken, what is too much is left to `release`.

    `beat` must never have been anybody's before. `settled` are the partitions on which `me` votes by now: what their last
    owner left is done with.
    """
    members = {member: beat for member, beat in shares.members.items() if member == me or member not in dead}
    members[me] = beat
    parts = [_orphaned(part) if part.owner and part.owner not in members else part for part in shares.parts]
    free = [number for number, part in enumerate(parts) if not part.owner]
    mine = [number for number, part in enumerate(parts) if part.owner == me]
    for number in free[: max(fair(len(members)) - len(mine), 0)]:
        parts[number] = replace(parts[number], owner=me)
    for number in settled:
        if parts[number].owner == me:
            parts[number] = Partition(owner=me)
    return PartitionTable(members, tuple(parts))


def fair(members: int) -> int:
    """The most partitions that one of so many processes has."""
    return -(-PARTITIONS // members)


def excess(shares: PartitionTable, me: str) -> set[int]:
    """What `me` has more than its fair share."""
    return {*sorted(shares.of(me))[fair(len(shares.members)) :]}


def release(
    shares: PartitionTable, me: str, handed: Mapping[int, tuple[Reservation, ...]], *, leave: bool
) -> PartitionTable:
    """Gives these partitions up, with their reservations; `me` has stopped voting on them. `leave`: it ends."""
    parts = [
        _handed(part, handed[number]) if part.owner == me and number in handed else part
        for number, part in enumerate(shares.parts)
    ]
    members = {member: beat for member, beat in shares.members.items() if member != me or not leave}
    return PartitionTable(members, tuple(parts))


def _orphaned(part: Partition) -> Partition:
    return replace(part, owner="", lost=True)


def _handed(part: Partition, reservations: tuple[Reservation, ...]) -> Partition:
    """A partition that was never voted on keeps what is known of it."""
    both = {one.mail: one for one in (*part.handed, *reservations)}
    if len(both) > MAX_HANDED // PARTITIONS:
        return Partition(lost=True)
    return Partition(lost=part.lost, handed=tuple(both.values()))
