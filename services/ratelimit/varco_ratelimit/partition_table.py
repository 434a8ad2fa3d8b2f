"""Which process owns which partitions: one small document that all processes replace in turn. Pure.

A process renews its heartbeat every second. It votes on its partitions only for the time of a lease
after it began to do so. Another process may take them over once it has seen no heartbeat for longer
than that: so no two processes ever vote on one partition at a time. Times are seconds of a
process's own monotonic clock, and are never compared with those of another.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from varco_common.base.subjects import PARTITIONS
from varco_ratelimit.counters import Reservation

MAX_HANDED = 1_000  # reservations that a document can carry; with more, the next owner waits for the mails


class Partition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One partition. `lost`: its last owner died, so mails that it accepted may still be stored.

    `handed` are the reservations that its last owner left, until the next one has taken them over.
    """

    owner: str = ""
    lost: bool = False
    handed: tuple[Reservation, ...] = ()


class PartitionTable(msgspec.Struct, frozen=True):
    """`members` has the heartbeat of each process: a number that changes with every renewal."""

    members: dict[str, int] = {}
    parts: tuple[Partition, ...] = (Partition(),) * PARTITIONS

    def of(self, member: str) -> set[int]:
        """The member's partitions."""
        return {number for number, part in enumerate(self.parts) if part.owner == member}


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(PartitionTable).decode


class Heartbeats:
    """When this process has seen the heartbeat of each member change."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def observe(self, members: Mapping[str, int], now: float) -> None:
        self._seen = {
            member: self._seen[member] if member in self._seen and self._seen[member][0] == beat else (beat, now)
            for member, beat in members.items()
        }

    def silent(self, seconds: float, now: float) -> set[str]:
        """The members whose heartbeat has not changed for more than `seconds`."""
        return {member for member, (_, since) in self._seen.items() if now - since > seconds}


def renew(table: PartitionTable, me: str, beat: int, dead: set[str], ready: set[int]) -> PartitionTable:
    """Renews the heartbeat of `me`.

    Removes dead members, and takes free partitions up to the fair share.

    `beat` must be a number that no member ever used. `ready` are the partitions on which `me` votes
    by now: what their last owner left has been taken over.
    """
    members = {member: old for member, old in table.members.items() if member == me or member not in dead}
    members[me] = beat
    parts = [_orphaned(part) if part.owner and part.owner not in members else part for part in table.parts]
    free = [number for number, part in enumerate(parts) if not part.owner]
    mine = [number for number, part in enumerate(parts) if part.owner == me]
    for number in free[: max(fair_share(len(members)) - len(mine), 0)]:
        parts[number] = replace(parts[number], owner=me)
    for number in ready:
        if parts[number].owner == me:
            parts[number] = Partition(owner=me)
    return PartitionTable(members, tuple(parts))


def fair_share(members: int) -> int:
    """The most partitions that one of this many processes owns."""
    return -(-PARTITIONS // members)


def excess(table: PartitionTable, me: str) -> set[int]:
    """The partitions that `me` owns beyond its fair share."""
    return {*sorted(table.of(me))[fair_share(len(table.members)) :]}


def release(
    table: PartitionTable, me: str, handed: Mapping[int, tuple[Reservation, ...]], *, leave: bool
) -> PartitionTable:
    """Gives these partitions up, with their reservations, after `me` has stopped voting on them.

    `leave`: `me` ends.
    """
    parts = [
        _handed(part, handed[number]) if part.owner == me and number in handed else part
        for number, part in enumerate(table.parts)
    ]
    members = {member: beat for member, beat in table.members.items() if member != me or not leave}
    return PartitionTable(members, tuple(parts))


def _orphaned(part: Partition) -> Partition:
    return replace(part, owner="", lost=True)


def _handed(part: Partition, reservations: tuple[Reservation, ...]) -> Partition:
    """Adds to what an earlier owner left: an owner that never voted has not taken it over."""
    handed = {reservation.mail: reservation for reservation in (*part.handed, *reservations)}
    if len(handed) > MAX_HANDED // PARTITIONS:
        return Partition(lost=True)
    return Partition(lost=part.lost, handed=tuple(handed.values()))
