"""Works off the queue: tries deferred mails again when they are due, and writes the notifications that senders are owed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import MissingMail, StoredMail
from varco_common.events import AnyEvent
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.envelope import Envelope
from varco_relay.decide.outcome import expired
from varco_relay.delivery_attempt import Deliverer
from varco_relay.dsn_sender import DsnSender
from varco_relay.model.queue import QueuedMail
from varco_relay.outgoing_message import OutgoingMessage
from varco_relay.smtp.pool_registry import Destination, Unroutable

_BUS_RETRY = timedelta(seconds=2)
_BUG_RETRY = timedelta(minutes=1)
_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class RetryLimits:
    """At most `attempts` at once; a mail whose route is down is looked at again after `route_check`; seconds of `grace`."""

    attempts: int = 16
    route_check: timedelta = timedelta(seconds=5)
    grace: float = 20.0


class QueueRunner:
    """A heap of what is due, filled from the projection's events; each mail is worked at by one task at a time.

    `way` finds where an account's mail goes now.
    """

    def __init__(
        self,
        queue: Projection[QueuedMail],
        post: Deliverer,
        notifier: DsnSender,
        way: Callable[[str], Destination],
        pace: RetryLimits,
    ) -> None:
        self._queue, self._post, self._notifier, self._way, self._pace = queue, post, notifier, way, pace
        self._due: list[tuple[datetime, str]] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stirred = asyncio.Event()
        self._free = asyncio.Semaphore(pace.attempts)

    async def run(self) -> None:
        """Until cancelled; attempts that have begun then come to their end, within the grace."""
        self._queue.on_event(self._heard)
        for mail, state in self._queue.items():
            self._plan(mail, state)
        try:
            while True:
                await self._until_due()
                await self._free.acquire()
                self._begin(heappop(self._due)[1])
        finally:
            if self._tasks:
                _, late = await asyncio.wait(self._tasks.values(), timeout=self._pace.grace)
                for task in late:
                    task.cancel()

    def _heard(self, mail: str, _: AnyEvent) -> None:
        if state := self._queue.get(mail):
            self._plan(mail, state)

    def _plan(self, mail: str, state: QueuedMail) -> None:
        if when := state.due:
            self._put(mail, when)

    def _put(self, mail: str, when: datetime) -> None:
        heappush(self._due, (when, mail))
        self._stirred.set()

    async def _until_due(self) -> None:
        while not self._due or self._due[0][0] > self._post.clock():
            self._stirred.clear()
            left = (self._due[0][0] - self._post.clock()).total_seconds() if self._due else None
            try:
                async with asyncio.timeout(left):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    def _begin(self, mail: str) -> None:
        """Does nothing for what was put off, held or settled since it was planned, or is worked at."""
        state = self._queue.get(mail)
        when = state.due if state else None
        if mail in self._tasks or when is None or when > self._post.clock():
            self._free.release()
            return
        self._tasks[mail] = asyncio.create_task(self._work(mail), name=f"retry {mail}")

    async def _work(self, mail: str) -> None:
        again: datetime | None = None
        try:
            with log.of(mail=mail):
                if state := self._queue.get(mail):
                    again = await self._one(state)
        except TransientError as error:
            _log.warning("the queue waits", mail=mail, error=str(error))
            again = self._post.clock() + _BUS_RETRY
        except Exception:  # noqa: BLE001 - a bug with one mail must not stop the others
            _log.exception("a mail in the queue could not be handled", mail=mail)
            again = self._post.clock() + _BUG_RETRY
        finally:
            del self._tasks[mail]
            self._free.release()
        if again:
            self._put(mail, again)
        elif state := self._queue.get(mail):
            self._plan(mail, state)

    async def _one(self, state: QueuedMail) -> datetime | None:
        """Notifications first, then an attempt; returns when to look again where no event will tell."""
        if not state.owed and self._only_waits(state):
            return self._post.clock() + self._pace.route_check
        stored = await self._stored(state)
        sequence = 0
        for owed in state.owed:
            sequence = await self._notifier.notify(state, owed, stored)
        again = None
        if state.tried_at(self._post.clock()):
            sequence, again = await self._try(state, stored)
        await self._queue.reached(sequence)
        return again

    def _only_waits(self, state: QueuedMail) -> bool:
        """While its route is down, nothing is done with a mail until its time is over."""
        over = state.accepted_at is not None and expired(self._post.clock(), state.accepted_at, self._post.patience)
        return bool(self._way(state.account).why) and not over

    async def _try(self, state: QueuedMail, stored: StoredMail | None) -> tuple[int, datetime | None]:
        """The sequence of the last event about it, and when to look again."""
        way, now = self._way(state.account), self._post.clock()
        letter = _letter(state, stored, self._post)
        if stored is None or (way.why and expired(now, letter.envelope.received_at, self._post.patience)):
            return await self._post.give_up(letter, state.failures, way.name), None
        if isinstance(way, Unroutable) or way.why:
            return 0, now + self._pace.route_check
        left, sequence = await self._post.attempt(letter, way)
        return sequence, now + self._pace.route_check if left else None

    async def _stored(self, state: QueuedMail) -> StoredMail | None:
        try:
            return await self._post.bus.mail.get(state.sequence)
        except MissingMail:
            _log.error("the mail is gone from the stream", mail=state.mail, sequence=state.sequence)
            return None


def _letter(state: QueuedMail, stored: StoredMail | None, post: Deliverer) -> OutgoingMessage:
    """The next attempt; where the record is gone only the envelope's outline is left, for a notification."""
    if stored:
        envelope, body = stored.record.envelope, post.body(stored.record, stored.body)
    else:
        body = b""
        envelope = Envelope(
            id=state.mail,
            account=state.account,
            sender=state.sender,
            recipients=state.recipients,
            host="",
            received_at=state.accepted_at or post.clock(),
        )
    return OutgoingMessage(
        envelope=envelope,
        sequence=state.sequence,
        recipients=state.recipients,
        body=body,
        size=state.size,
        attempt=state.attempt + 1,
    )
