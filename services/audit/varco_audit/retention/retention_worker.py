"""Erases from MAIL what nobody needs any more, with its bodies: every keeper is asked, and no answer keeps all (ADR 19)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Self
from urllib.parse import unquote

import msgspec

from varco_audit import metrics
from varco_audit.names import NAME
from varco_audit.recording.mail_recorder import RECORDED
from varco_audit.retention.leader_lease import LeaderLease
from varco_audit.retention.retained_records import ErasurePlan, RetainedRecords
from varco_audit.settings import Settings
from varco_common.base import log, subjects
from varco_common.base.errors import TransientError
from varco_common.base.tasks import retry_until_available, run_in_background, wait_forever
from varco_common.bus import Bus
from varco_common.events import MailErased, RecordParked
from varco_common.events.audit import recorded_sequence
from varco_common.storage import retention
from varco_common.storage.object_store import ObjectStore
from varco_common.storage.retention import RetentionQuery

LEASE = f"{NAME}-janitor"
PARKED = RecordParked.subject_filter()

AT_ONCE = 1_000  # records in one question
ONE_EVENT = 10_000  # records that one event may tell of
BREATH = 20  # records that are overwritten before the bus gets a pause: it can't store mail meanwhile
SHARE = 50  # the janitor rests so many times as long as all the questions of a sweep took, and seconds at most:
MOST_REST = 300.0
_ANSWER_SECONDS = 10.0
_WAIT_SECONDS = 0.05
_log = log.get(__name__)


class RetentionBlocked(Exception):
    """Nothing may be erased now; says why."""


class RetentionWorker:
    """`keepers` are asked, in this order; without any nothing is erased. What is younger than `age` stays.

    Killed at any moment it leaves MAIL such that the next sweep ends what was begun: it is said first (MailErased), then
    the objects go, then the records.
    """

    def __init__(
        self, bus: Bus, blobs: ObjectStore, keepers: Sequence[str], *, age: timedelta, every: timedelta
    ) -> None:
        self._bus, self._blobs, self._keepers = bus, blobs, keepers
        self._age, self._every = age, every.total_seconds()
        self._turn = LeaderLease(bus, LEASE, max(1.0, 3 * self._every))
        self.backlog = RetainedRecords()
        self._asking = 0.0  # seconds of this sweep that were spent on questions
        self._parked = 0  # the sequence in EVENTS up to which it is known what was parked

    @classmethod
    @asynccontextmanager
    async def opened(cls, bus: Bus, settings: Settings) -> AsyncIterator[Self]:
        """With the object store that holds the bodies."""
        blobs = ObjectStore(settings.object_store)
        try:
            yield cls(bus, blobs, settings.keepers, age=settings.erase_after, every=settings.sweep)
        finally:
            await blobs.close()

    async def run(self) -> None:
        """Until cancelled."""
        if not self._keepers:
            _log.warning("no keepers are named (VARCO_AUDIT_KEEPERS): MAIL keeps everything until its time is over")
            await wait_forever()
        while True:
            while not await retry_until_available(self._turn.mine):  # noqa: ASYNC110 - the bus knows, and has to be asked
                await asyncio.sleep(self._every)
            self.backlog, self._parked = RetainedRecords(), 0
            async with run_in_background(self.follow(), self.follow_parked(), self._sweep_for_ever()):
                while await retry_until_available(self._turn.mine):  # noqa: ASYNC110
                    await asyncio.sleep(self._every)

    async def follow(self) -> None:
        """What MAIL has, for ever."""
        async with aclosing(self._bus.mail.follow(subjects.mail("*", "*"))) as records:
            async for record in records:
                self.backlog.add(record)

    async def follow_parked(self) -> None:
        """What somebody could not handle stays where it is, for people to look at."""
        async with aclosing(self._bus.events.follow(PARKED)) as events:
            async for stored in events:
                if isinstance(stored.event, RecordParked) and stored.event.stream == subjects.MAIL:
                    self.backlog.held.add(stored.event.sequence)
                self._parked = stored.sequence

    async def _sweep_for_ever(self) -> None:
        while True:
            self._asking = 0.0
            try:
                await self.sweep()
            except (RetentionBlocked, TransientError) as why:
                metrics.JANITOR_STALLED.set(1)
                _log.warning("nothing is erased at present", why=str(why))
            else:
                metrics.JANITOR_STALLED.set(0)
            metrics.BACKLOG.set(len(self.backlog))
            await asyncio.sleep(min(max(self._every, SHARE * self._asking), MOST_REST))

    async def sweep(self) -> None:
        """Goes once through everything that is old enough. Raises Kept, TransientError; then the rest waits."""
        await self._everyone_is_asked()
        self.backlog.forget((await self._bus.mail.bounds())[0])
        written = await self._written()
        before = int((time() - self._age.total_seconds()) * 1000)
        for subject, found in self.backlog.due(before):
            for start in range(0, len(found), ONE_EVENT):
                await self._sweep_some(subject, [one for one in found[start : start + ONE_EVENT] if one <= written])

    async def _everyone_is_asked(self) -> None:
        """Whoever has a consumer that outlives it reads MAIL, and must be among the keepers."""
        for durable in await self._bus.admin.durable_consumers():
            if not any(durable == keeper or durable.startswith(f"{keeper}-") for keeper in self._keepers):
                raise RetentionBlocked(f"somebody reads MAIL as {durable} and isn't asked: see VARCO_AUDIT_KEEPERS")

    async def _written(self) -> int:
        """The sequence of MAIL up to which the scribe has written everything into EVENTS."""
        _, event = await self._bus.events.last(RECORDED)
        return recorded_sequence(event) if event else 0

    async def _sweep_some(self, subject: str, sequences: Sequence[int]) -> None:
        left = self.backlog.without_originals(subject, sequences)
        gone, wiped = set[int](), set[int]()
        for start in range(0, len(left), AT_ONCE):
            free, secret = await self._unneeded(subject, left[start : start + AT_ONCE])
            gone.update(free)
            wiped |= secret
        await self._parked_are_known()
        gone -= self.backlog.held
        if gone:
            await self._erase(subject, gone, self.backlog.plan(subject, gone, wiped))

    async def _unneeded(self, subject: str, sequences: Sequence[int]) -> tuple[Sequence[int], set[int]]:
        """What no keeper needs, and what of it is to be overwritten. Raises Kept."""
        left, wiped, began = sequences, set[int](), monotonic()
        for keeper in self._keepers:
            if not left:
                break
            try:
                answer = await retention.ask(
                    self._bus, keeper, RetentionQuery(subject=subject, sequences=tuple(left)), _ANSWER_SECONDS
                )
            except (TransientError, msgspec.DecodeError) as error:
                raise RetentionBlocked(f"{keeper} doesn't say what it needs: {error}") from error
            needed = {*answer.needed}
            left = [one for one in left if one not in needed]
            wiped |= {*answer.wiped}
        self._asking += monotonic() - began
        return left, wiped

    async def _parked_are_known(self) -> None:
        """A record is parked before its consumer has finished with it. Raises Kept."""
        until = await self._bus.events.last_sequence(PARKED)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while self._parked < until:  # noqa: ASYNC110 - it comes in a moment
                    await asyncio.sleep(_WAIT_SECONDS)
        except TimeoutError:
            raise RetentionBlocked("it isn't known what was parked") from None

    async def _erase(self, subject: str, gone: set[int], plan: ErasurePlan) -> None:
        """It is said, then done; what is done twice does no harm."""
        _, kind, account = subject.split(".", 2)
        event = MailErased(
            at=datetime.now(UTC),
            account=unquote(account),
            by=NAME,
            kind=kind,
            count=len(gone),
            ranges=plan.ranges,
            overwritten=len(plan.wiped),
        )
        await self._bus.events.append(event)
        for key in self.backlog.objects(gone):
            await self._blobs.delete(key)
        for start in range(0, len(plan.wiped), BREATH):
            began = monotonic()
            for one in plan.wiped[start : start + BREATH]:
                await self._bus.admin.erase(one, overwrite=True)
            await asyncio.sleep(monotonic() - began)
        if plan.before:
            await self._bus.admin.purge(subject, plan.before)
        for one in plan.single:
            await self._bus.admin.erase(one, overwrite=False)
        self.backlog.drop(subject, gone)
        metrics.ERASED.labels(kind).inc(len(gone))
