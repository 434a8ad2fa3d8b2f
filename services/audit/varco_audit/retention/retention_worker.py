"""Erases from MAIL what no service needs any more, with its bodies (ADR 19).

Every service that reads MAIL is asked first. If one does not answer, nothing is erased.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Self
from urllib.parse import unquote

import msgspec

from varco_audit import metrics
from varco_audit.names import NAME
from varco_audit.recording.recorded_position import recorded_position
from varco_audit.retention.erasure_plan import ErasurePlan, RetainedRecords
from varco_audit.retention.leader_lease import LeaderLease
from varco_audit.settings import Settings
from varco_common.base import log, subjects
from varco_common.base.errors import TransientError
from varco_common.base.tasks import done_within, retry_until_available, run_in_background, wait_forever
from varco_common.base.watermark import Watermark
from varco_common.bus import Bus, StoredRecord
from varco_common.events import MailErased, RecordParked
from varco_common.storage import retention
from varco_common.storage.object_store import ObjectStore, open_store
from varco_common.storage.retention import RetentionQuery

LEASE = f"{NAME}-janitor"
PARKED = RecordParked.subject_filter()

_RECORDS_PER_QUERY = 1_000
_RECORDS_PER_EVENT = 10_000
_OVERWRITES_BETWEEN_PAUSES = 20  # the bus can't store mail while it overwrites a record
_MAX_SWEEP_INTERVAL = 10.0
_MIN_SWEEP_INTERVAL = 0.1
_SWEEPS_PER_AGE = 60  # a record stays a sixtieth longer than its age, at most
# Pause between sweeps as a multiple of the time that the last sweep spent on queries, so that
# answering takes 2 % of the other services' time. An answer about a long queue can be slow.
_PAUSE_PER_QUERY_TIME = 50
_MAX_PAUSE = 300.0
_ANSWER_SECONDS = 10.0
_log = log.get(__name__)


class RetentionBlocked(Exception):
    """Nothing may be erased now; the text says why."""


class RetentionWorker:
    """Asks the `services` in this order. Erases nothing without services, or younger than `age`.

    It can be killed at any moment: the event is appended first, then the objects are deleted, then
    the records, and the next sweep does what is left.
    """

    def __init__(self, bus: Bus, bodies: ObjectStore, services: Sequence[str], age: timedelta) -> None:
        self._bus, self._bodies, self._services = bus, bodies, services
        self._age = age.total_seconds()
        self._interval = min(_MAX_SWEEP_INTERVAL, max(_MIN_SWEEP_INTERVAL, self._age / _SWEEPS_PER_AGE))
        self._lease = LeaderLease(bus, LEASE, max(1.0, 3 * self._interval))
        self.follow: Callable[..., AsyncGenerator[StoredRecord, None]] = bus.mail.follow  # or that of a StreamFeed
        self.records = RetainedRecords()
        self._query_seconds = 0.0  # what this sweep spent on queries
        self._parked = Watermark()  # the sequence of EVENTS up to which dead letters are known

    @classmethod
    @asynccontextmanager
    async def opened(cls, bus: Bus, settings: Settings) -> AsyncIterator[Self]:
        """With the object store that holds the bodies."""
        bodies = open_store(settings.object_store)
        try:
            yield cls(bus, bodies, settings.keepers, settings.erase_after)
        finally:
            await bodies.close()

    async def run(self) -> None:
        """Sweeps while this process leads, until cancelled."""
        if not self._services:
            _log.warning("VARCO_AUDIT_KEEPERS names no service: MAIL keeps everything for VARCO_NATS_MAIL_DAYS")
            await wait_forever()
        while True:
            while not await retry_until_available(self._lease.acquire):  # noqa: ASYNC110 - the bus must be asked
                await asyncio.sleep(self._interval)
            self.records, self._parked = RetainedRecords(), Watermark()
            async with run_in_background(self.follow_mail(), self.follow_parked(), self._sweep_forever()):
                while await retry_until_available(self._lease.acquire):  # noqa: ASYNC110
                    await asyncio.sleep(self._interval)

    async def follow_mail(self) -> None:
        """Keeps `records` current, for ever."""
        async with aclosing(self.follow(subjects.mail("*", "*"))) as records:
            async for record in records:
                self.records.add(record)

    async def follow_parked(self) -> None:
        """Keeps `records.unerasable` current: an operator must be able to look at a dead letter."""
        async with aclosing(self._bus.events.follow(PARKED)) as events:
            async for stored in events:
                if isinstance(stored.event, RecordParked) and stored.event.stream == subjects.MAIL:
                    self.records.unerasable.add(stored.event.sequence)
                self._parked.advance(stored.sequence)

    async def _sweep_forever(self) -> None:
        while True:
            self._query_seconds = 0.0
            try:
                await self.sweep()
            except (RetentionBlocked, TransientError) as error:
                metrics.RETENTION_STALLED.set(1)
                _log.warning("nothing is erased at present", error=str(error))
            else:
                metrics.RETENTION_STALLED.set(0)
            metrics.RETAINED.set(len(self.records))
            await asyncio.sleep(min(max(self._interval, _PAUSE_PER_QUERY_TIME * self._query_seconds), _MAX_PAUSE))

    async def sweep(self) -> None:
        """Erases what is old and not needed. Raises RetentionBlocked or TransientError."""
        await self._check_services()
        self.records.drop_before((await self._bus.mail.bounds())[0])
        recorded = (await recorded_position(self._bus)).record
        for subject, due in self.records.due(int((time() - self._age) * 1000)):
            for start in range(0, len(due), _RECORDS_PER_EVENT):
                part = due[start : start + _RECORDS_PER_EVENT]
                await self._sweep_part(subject, [sequence for sequence in part if sequence <= recorded])

    async def _check_services(self) -> None:
        """A service with a durable consumer of MAIL reads MAIL, and must be asked."""
        for consumer in await self._bus.admin.durable_consumers():
            if not any(consumer == service or consumer.startswith(f"{service}-") for service in self._services):
                raise RetentionBlocked(f"VARCO_AUDIT_KEEPERS does not name the service of the consumer {consumer}")

    async def _sweep_part(self, subject: str, sequences: Sequence[int]) -> None:
        candidates = self.records.without_originals(subject, sequences)
        gone, overwritten = set[int](), set[int]()
        for start in range(0, len(candidates), _RECORDS_PER_QUERY):
            unneeded, private = await self._unneeded(subject, candidates[start : start + _RECORDS_PER_QUERY])
            gone.update(unneeded)
            overwritten |= private
        await self._wait_for_parked()
        gone -= self.records.unerasable
        if gone:
            await self._erase(subject, gone, self.records.plan(subject, gone, overwritten))

    async def _unneeded(self, subject: str, sequences: Sequence[int]) -> tuple[Sequence[int], set[int]]:
        """What no service needs, and what of it must be overwritten. Raises RetentionBlocked."""
        unneeded, overwritten, began = sequences, set[int](), monotonic()
        for service in self._services:
            if not unneeded:
                break
            query = RetentionQuery(subject=subject, sequences=tuple(unneeded))
            try:
                answer = await retention.ask(self._bus, service, query, _ANSWER_SECONDS)
            except (TransientError, msgspec.DecodeError) as error:
                raise RetentionBlocked(f"{service} does not answer what it needs: {error}") from error
            needed = {*answer.needed}
            unneeded = [sequence for sequence in unneeded if sequence not in needed]
            overwritten |= {*answer.wiped}
        self._query_seconds += monotonic() - began
        return unneeded, overwritten

    async def _wait_for_parked(self) -> None:
        """A record is parked before its consumer is done: the event is in EVENTS by now."""
        last = await self._bus.events.last_sequence(PARKED)
        if not await done_within(self._parked.reached(last), _ANSWER_SECONDS):
            raise RetentionBlocked("the dead letters are not known yet")

    async def _erase(self, subject: str, gone: set[int], plan: ErasurePlan) -> None:
        """Each step may be repeated by another sweep."""
        _, kind, account = subject.split(".", 2)
        event = MailErased(
            at=datetime.now(UTC),
            account=unquote(account),
            by=NAME,
            kind=kind,
            count=len(gone),
            ranges=plan.ranges,
            overwritten=len(plan.overwritten),
        )
        await self._bus.events.append(event)
        for key in self.records.objects(gone):
            await self._bodies.delete(key)
        await self._overwrite(plan.overwritten)
        if plan.before:
            await self._bus.admin.purge(subject, plan.before)
        for sequence in plan.single:
            await self._bus.admin.erase(sequence, overwrite=False)
        self.records.drop(subject, gone)
        metrics.ERASED.labels(kind).inc(len(gone))

    async def _overwrite(self, sequences: Sequence[int]) -> None:
        """Pauses as long as it works, so that mail is stored meanwhile."""
        for start in range(0, len(sequences), _OVERWRITES_BETWEEN_PAUSES):
            began = monotonic()
            for sequence in sequences[start : start + _OVERWRITES_BETWEEN_PAUSES]:
                await self._bus.admin.erase(sequence, overwrite=True)
            await asyncio.sleep(monotonic() - began)
