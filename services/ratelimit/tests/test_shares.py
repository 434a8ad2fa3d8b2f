"""Who has which partition: never two at once, and never nobody for long."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from varco_common.base.subjects import PARTITIONS
from varco_ratelimit import partition_table
from varco_ratelimit.counters import Reservation
from varco_ratelimit.partition_table import MAX_HANDED, Heartbeats, Partition, PartitionTable

LEASE, MARGIN = 5.0, 2.0


class Member:
    """A process as far as partitions are concerned.

    It may stand still between any two of its steps.
    """

    def __init__(self, name):
        self.name, self.heartbeats, self.valid_until, self.mine, self.read = name, Heartbeats(), -1.0, set(), None

    def votes_on(self, now):
        return self.mine if now < self.valid_until else set()


class Bus:
    """One document, replaced by who has seen the newest."""

    def __init__(self):
        self.sequence, self.document = 0, b""

    def take(self, document, expect):
        if expect != self.sequence:
            return False
        self.sequence, self.document = self.sequence + 1, document
        return True


def read(member, bus, now):
    found = partition_table.decode(bus.document) if bus.document else PartitionTable()
    member.heartbeats.observe(found.members, now)
    dead = member.heartbeats.silent(LEASE + MARGIN, now) - {member.name}
    member.read = (now, bus.sequence, partition_table.renew(found, member.name, bus.sequence + 1, dead, member.mine))


def write(member, bus):
    began, expect, wanted = member.read
    member.read = None
    if bus.take(partition_table.encode(wanted), expect):
        member.valid_until = began + LEASE
        member.mine = wanted.of(member.name)
        over = partition_table.excess(wanted, member.name)
        if over:
            member.mine -= over
            found = partition_table.decode(bus.document)
            given_up = partition_table.release(found, member.name, dict.fromkeys(over, ()), leave=False)
            bus.take(partition_table.encode(given_up), bus.sequence)


@settings(deadline=None)
@given(st.integers(2, 4), st.lists(st.tuples(st.integers(0, 3), st.floats(0, 3), st.booleans()), max_size=120))
def test_no_two_processes_vote_on_one_partition(count, moves):
    bus, now = Bus(), 0.0
    members = [Member(f"p{number}") for number in range(count)]
    for number, pause, both in moves:
        now += pause
        member = members[number % count]
        if member.read is None or both:
            read(member, bus, now)
        if member.read and (both or number % 2):
            write(member, bus)
        voting = [partition for each in members for partition in each.votes_on(now)]
        assert len(voting) == len({*voting})


def settle(members, bus, now, rounds=40):
    for _ in range(rounds):
        now += 1.0
        for member in members:
            read(member, bus, now)
            write(member, bus)
    return now


@given(st.integers(1, 20), st.integers(0, 19), st.randoms(use_true_random=False))
def test_all_partitions_are_shared_evenly_and_those_of_the_dead_taken_over(count, dying, chance: random.Random):
    bus = Bus()
    members = [Member(f"p{number}") for number in range(count)]
    now = settle(members, bus, 0.0)
    assert sorted(number for member in members for number in member.mine) == [*range(PARTITIONS)]
    assert max(len(member.mine) for member in members) == partition_table.fair_share(count)
    alive = members[:]
    chance.shuffle(alive)
    alive = alive[min(dying, count - 1) :]
    settle(alive, bus, now)
    assert sorted(number for member in alive for number in member.mine) == [*range(PARTITIONS)]


def test_what_is_left_of_the_dead_is_marked_until_it_has_settled():
    held = PartitionTable({"old": 1}, tuple(Partition(owner="old") for _ in range(PARTITIONS)))
    taken = partition_table.renew(held, "new", 2, {"old"}, set())
    assert all(part == Partition(owner="new", lost=True) for part in taken.parts)
    again = partition_table.renew(taken, "new", 3, set(), {0, 1})
    assert [part.lost for part in again.parts] == [False, False, *[True] * 14]


def test_reservations_are_handed_over_and_too_many_make_the_next_one_wait():
    one = Reservation("m", "acme", "a@b.example", (1, 1, 1, 0), 5)
    many = tuple(Reservation(f"m{number}", "acme", "a", (1, 1, 1, 0), 5) for number in range(MAX_HANDED))
    held = PartitionTable({"old": 1}, tuple(Partition(owner="old") for _ in range(PARTITIONS)))
    left = partition_table.release(held, "old", {0: (one,), 1: many}, leave=True)
    assert left.members == {}
    assert left.parts[:3] == (Partition(handed=(one,)), Partition(lost=True), Partition(owner="old"))
    assert partition_table.decode(partition_table.encode(left)) == left
