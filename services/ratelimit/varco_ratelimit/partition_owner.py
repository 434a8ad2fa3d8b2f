"""Owns this process's share of the partitions.

Renews the heartbeat, takes free partitions, gives up excess ones.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from time import monotonic

from varco_common.base import log, subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import uncancellable
from varco_common.bus import Bus
from varco_common.mail.ballot import Ballot, Vote
from varco_ratelimit import metrics, partition_table
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.decide import VOTER
from varco_ratelimit.mail_counter import MailCounter
from varco_ratelimit.partition_table import Heartbeats, Partition, PartitionTable
from varco_ratelimit.quota_windows import milliseconds
from varco_ratelimit.reservation_log import ReservationLog

_BEAT_SECONDS = 1.0  # pause between two heartbeats
_MARGIN_SECONDS = 2.0  # a process counts as dead this much later than it stops voting: clocks may run unequally
_AGAIN_SECONDS = 0.05  # pause after another process was faster
_RELEASE_SECONDS = 3.0  # a process that ends gives up after this time; others then wait for its lease to end

_log = log.get(__name__)


class PartitionStatus(Enum):
    """Who votes on a partition. In doubt it is another process: two votes would be one too many."""

    READY = "ready"
    PREPARING = "preparing"
    OTHER = "other"


class PartitionLease:
    """One partition that this process owns.

    It is `ready` once it knows all mails that may count there.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self.ready = False
        self.task: asyncio.Task[None] | None = None
        self._end = end

    def end(self) -> None:
        self.ready = False
        if self.task:
            self.task.cancel()
        self._end()


class PartitionOwner:
    """`lease` is how many seconds this process votes after a heartbeat.

    `settle` is how many seconds mails that a dead process accepted may take until they are in MAIL.
    """

    def __init__(
        self,
        bus: Bus,
        counters: QuotaCounters,
        counter: MailCounter,
        reservation_log: ReservationLog,
        *,
        lease: float,
        settle: float,
    ) -> None:
        self._bus, self._counters, self._counter = bus, counters, counter
        self._reservation_log, self._me = reservation_log, reservation_log.identity
        self._lease, self._settle = lease, settle
        self._leases: dict[int, PartitionLease] = {}
        self._heartbeats = Heartbeats()
        self._valid_until = 0.0
        self._vote: Callable[[Ballot], Vote | None] = lambda _: None
        metrics.PARTITIONS.set_function(lambda: len(self._ready()))

    def status(self, partition: int) -> PartitionStatus:
        """READY only while no other process can be, and all mails that may count are known."""
        lease = self._leases.get(partition)
        if lease is None or monotonic() >= self._valid_until:
            return PartitionStatus.OTHER
        return PartitionStatus.READY if lease.ready else PartitionStatus.PREPARING

    def check(self) -> None:
        """For /readyz: raises TransientError with the reason."""
        if monotonic() >= self._valid_until:
            raise TransientError("this process can't renew its heartbeat on the bus")
        if preparing := len(self._leases) - len(self._ready()):
            raise TransientError(f"{preparing} partitions are being taken over")

    async def run(self, vote: Callable[[Ballot], Vote | None]) -> None:
        """Votes with `vote` until cancelled; then others may take over at once."""
        self._vote = vote
        try:
            while True:
                try:
                    pause = await self._beat()
                except TransientError as error:
                    _log.warning("heartbeat not renewed", error=str(error))
                    pause = _AGAIN_SECONDS * 4
                await asyncio.sleep(pause)
        finally:
            await uncancellable(self._leave())

    async def _beat(self) -> float:
        """Renews the heartbeat once; returns the seconds until the next."""
        began = monotonic()
        expect, table = await self._read()
        self._heartbeats.observe(table.members, seen := monotonic())
        dead = self._heartbeats.silent(self._lease + _MARGIN_SECONDS, seen) - {self._me}
        renewed = partition_table.renew(table, self._me, expect + 1, dead, self._ready())
        try:
            await self._bus.leases.replace(VOTER, partition_table.encode(renewed), expect=expect)
        except ConflictError:
            return _AGAIN_SECONDS
        for member in dead:
            _log.warning("another process has died", member=member)
        await self._adopt(renewed)
        self._valid_until = began + self._lease
        if excess := partition_table.excess(renewed, self._me):
            await self._release(excess, leave=False)
            return _AGAIN_SECONDS
        return min(_BEAT_SECONDS, self._lease / 4)

    def _ready(self) -> set[int]:
        return {number for number, lease in self._leases.items() if lease.ready}

    async def _read(self) -> tuple[int, PartitionTable]:
        sequence, document = await self._bus.leases.get(VOTER)
        return sequence, partition_table.decode(document) if document else PartitionTable()

    async def _adopt(self, table: PartitionTable) -> None:
        mine = table.of(self._me)
        for number in {*self._leases} - mine:
            _log.warning("partition lost to another process", partition=number)
            self._leases.pop(number).end()
        for number in sorted(mine - {*self._leases}):
            end = await self._bus.voting.serve(VOTER, self._vote, number, self._me)
            self._leases[number] = lease = PartitionLease(end)
            lease.task = asyncio.create_task(self._prepare(lease, table.parts[number]))

    async def _prepare(self, lease: PartitionLease, part: Partition) -> None:
        """Waits for all mails that the last owner accepted.

        They are handed over, in MAIL, or too late to come.
        """
        for reservation in self._counters.restore(part.handed, milliseconds(datetime.now(UTC))):
            self._reservation_log.write(reservation)
        if part.lost:
            await asyncio.sleep(self._settle)
        await self._counter.caught_up()
        lease.ready = True

    async def _release(self, numbers: set[int], *, leave: bool) -> None:
        """Stops voting, then hands over the partitions, and the reservations of ready ones."""
        ready = self._ready()
        for number in numbers & {*self._leases}:
            self._leases.pop(number).end()
        handed: dict[int, tuple[Reservation, ...]] = dict.fromkeys(numbers, ())
        for reservation in self._counters.reservations():
            number = subjects.partition(reservation.account)
            if number in numbers & ready:
                handed[number] = (*handed[number], reservation)
        while True:
            expect, table = await self._read()
            released = partition_table.release(table, self._me, handed, leave=leave)
            with suppress(ConflictError):
                await self._bus.leases.replace(VOTER, partition_table.encode(released), expect=expect)
                return

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._release({*self._leases}, leave=True)
        except (TransientError, TimeoutError) as error:
            _log.warning("partitions not handed over: others take them when the lease ends", error=str(error))
