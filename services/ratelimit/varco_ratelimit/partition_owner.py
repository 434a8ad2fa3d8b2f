"""Keeps this process's share of the partitions: says that it lives, takes what is free, gives up what is too much."""

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

BEAT_SECONDS = 1.0
MARGIN_SECONDS = 2.0  # a process counts as dead so much later than it stops voting
_AGAIN_SECONDS = 0.05
_RELEASE_SECONDS = 3.0

_log = log.get(__name__)


class PartitionStatus(Enum):
    """Whose vote it is. What may be another's is left to the other: two votes would be one too many."""

    READY = "ready"
    NOT_YET = "not yet"
    ANOTHERS = "another's"


class PartitionLease:
    """One partition that this process has; `ready` once it knows all mails that may count there."""

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
    """`lease` and `settle` in seconds, as the settings explain them. `vote` is called with the ballots of its partitions."""

    def __init__(
        self,
        bus: Bus,
        book: QuotaCounters,
        counter: MailCounter,
        journal: ReservationLog,
        *,
        lease: float,
        settle: float,
    ) -> None:
        self._bus, self._book, self._counter, self._journal = bus, book, counter, journal
        self._me = journal.identity
        self._lease, self._settle = lease, settle
        self._tenures: dict[int, PartitionLease] = {}
        self._sightings = Heartbeats()
        self._valid_until = 0.0
        self._vote: Callable[[Ballot], Vote | None] = lambda _: None
        metrics.PARTITIONS.set_function(lambda: sum(tenure.ready for tenure in self._tenures.values()))

    def turn(self, partition: int) -> PartitionStatus:
        """Whether this process votes there: only while nobody else can be, and everything is known that must be."""
        tenure = self._tenures.get(partition)
        if tenure is None or monotonic() >= self._valid_until:
            return PartitionStatus.ANOTHERS
        return PartitionStatus.READY if tenure.ready else PartitionStatus.NOT_YET

    def check(self) -> None:
        """For /readyz: raises TransientError with the reason."""
        if monotonic() >= self._valid_until:
            raise TransientError("this process can't say on the bus that it lives")
        if waiting := sum(not tenure.ready for tenure in self._tenures.values()):
            raise TransientError(f"{waiting} partitions are being taken over")

    async def run(self, vote: Callable[[Ballot], Vote | None]) -> None:
        """Until cancelled; then others may take over at once."""
        self._vote = vote
        try:
            while True:
                try:
                    pause = await self._beat()
                except TransientError as error:
                    _log.warning("no sign of life given", error=str(error))
                    pause = _AGAIN_SECONDS * 4
                await asyncio.sleep(pause)
        finally:
            await uncancellable(self._leave())

    async def _beat(self) -> float:
        """One sign of life; seconds until the next."""
        began = monotonic()
        expect, now = await self._read()
        self._sightings.look(now.members, seen := monotonic())
        dead = self._sightings.silent(self._lease + MARGIN_SECONDS, seen) - {self._me}
        settled = {number for number, tenure in self._tenures.items() if tenure.ready}
        wanted = partition_table.step(now, self._me, expect + 1, dead, settled)
        try:
            await self._bus.leases.replace(VOTER, partition_table.encode(wanted), expect=expect)
        except ConflictError:
            return _AGAIN_SECONDS
        for member in dead:
            _log.warning("another process has died", member=member)
        await self._adopt(wanted)
        self._valid_until = began + self._lease
        if over := partition_table.excess(wanted, self._me):
            await self._release(over, leave=False)
            return _AGAIN_SECONDS
        return min(BEAT_SECONDS, self._lease / 4)

    async def _read(self) -> tuple[int, PartitionTable]:
        sequence, document = await self._bus.leases.get(VOTER)
        return sequence, partition_table.decode(document) if document else PartitionTable()

    async def _adopt(self, wanted: PartitionTable) -> None:
        mine = wanted.of(self._me)
        for number in [*self._tenures]:
            if number not in mine:
                _log.warning("partition lost to another process", partition=number)
                self._drop(number)
        for number in sorted(mine - {*self._tenures}):
            end = await self._bus.voting.serve(VOTER, self._vote, number, self._me)
            self._tenures[number] = tenure = PartitionLease(end)
            tenure.task = asyncio.create_task(self._prepare(tenure, wanted.parts[number]))

    async def _prepare(self, tenure: PartitionLease, part: Partition) -> None:
        """Nothing is voted on before all that the last owner let pass is known: handed over, in MAIL, or too late to come."""
        for one in self._book.restore(part.handed, milliseconds(datetime.now(UTC))):
            self._journal.write(one)
        if part.lost:
            await asyncio.sleep(self._settle)
        await self._counter.caught_up()
        tenure.ready = True

    def _drop(self, number: int) -> None:
        self._tenures.pop(number).end()

    async def _release(self, numbers: set[int], *, leave: bool) -> None:
        """Stops voting, then says so, with the mails that were let pass and aren't stored yet."""
        unready = {number for number in numbers if number in self._tenures and not self._tenures[number].ready}
        for number in numbers & {*self._tenures}:
            self._drop(number)
        handed: dict[int, tuple[Reservation, ...]] = dict.fromkeys(numbers, ())
        for one in self._book.reservations():
            number = subjects.partition(one.account)
            if number in handed and number not in unready:
                handed[number] = (*handed[number], one)
        while True:
            expect, now = await self._read()
            given = partition_table.release(now, self._me, handed, leave=leave)
            with suppress(ConflictError):
                await self._bus.leases.replace(VOTER, partition_table.encode(given), expect=expect)
                return

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._release({*self._tenures}, leave=True)
        except (TransientError, TimeoutError) as error:
            _log.warning("left without a word: others take over later", error=str(error))
