"""Works off the queue: retries deferred mails when they are due, and writes pending DSNs."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from varco_common.base import log
from varco_common.base.due_queue import DueQueue
from varco_common.base.errors import TransientError
from varco_common.base.tasks import all_results
from varco_common.bus import MissingMail, StoredMail
from varco_common.events import AnyEvent
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.record import MailConverted
from varco_relay.delivery_attempt import AttemptResult, Deliverer, utc_now
from varco_relay.dsn_sender import DsnSender, outline
from varco_relay.model.queue import QueuedDelivery, QueuedMail
from varco_relay.outgoing_message import OutgoingMessage
from varco_relay.route_table import RoutePart, RouteTable
from varco_relay.smtp.pool_registry import Unroutable

MAX_ATTEMPTS = 16  # at once: a long queue leaves connections to mail that was just accepted
ROUTE_CHECK = timedelta(seconds=30)  # a mail whose route is down is looked at again; it costs a look into memory
HELD_CHECK = timedelta(hours=1)  # whether MAIL still has the record of a mail that is held beyond its time
_BUS_RETRY = timedelta(seconds=2)  # a bus that restarts is back within seconds
_BUG_RETRY = timedelta(minutes=1)  # a bug seldom goes away by itself
_log = log.get(__name__)


class QueueRunner:
    """A queue of what is due, filled from the events of the projection.

    One task at a time works at a mail. `table_of` tells where an account's mail goes, `grace` is in
    seconds.
    """

    def __init__(
        self,
        queue: Projection[QueuedMail],
        deliverer: Deliverer,
        dsn_sender: DsnSender,
        table_of: Callable[[str], RouteTable],
        *,
        grace: float,
    ) -> None:
        self._queue, self._deliverer, self._dsn_sender = queue, deliverer, dsn_sender
        self._table_of, self._grace = table_of, grace
        self._due = DueQueue()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(MAX_ATTEMPTS)

    async def run(self) -> None:
        """Runs until it is cancelled. Attempts that have begun then end, within the grace."""
        self._queue.on_event(self._on_event)
        for mail, _ in self._queue.items():  # noqa: PERF102 - no dict
            self._schedule(mail)
        try:
            while True:
                mail = await self._due.pop()
                await self._free.acquire()
                self._start(mail)
        finally:
            if self._tasks:
                _, late = await asyncio.wait(self._tasks.values(), timeout=self._grace)
                for task in late:
                    task.cancel()

    def _on_event(self, mail: str, _: AnyEvent) -> None:
        self._schedule(mail)

    def _schedule(self, mail: str, at: datetime | None = None) -> None:
        """Puts the mail into the queue: at that time, or when it is due."""
        if at := at or self._due_at(self._queue.get(mail)):
            self._due.push(at, mail)

    def _due_at(self, state: QueuedMail | None) -> datetime | None:
        """A held mail is looked at when its time is over: its record will leave MAIL."""
        if state and state.held and state.failures and state.accepted_at:
            return state.due or self._deliverer.over_at(state.accepted_at)
        return state.due if state else None

    def _start(self, mail: str) -> None:
        """Starts a task, unless the mail is no longer due or has one already."""
        due = self._due_at(self._queue.get(mail))
        if mail in self._tasks or due is None or due > utc_now():
            self._free.release()
            return
        self._tasks[mail] = asyncio.create_task(self._run(mail), name=f"retry {mail}")

    async def _run(self, mail: str) -> None:
        again: datetime | None = None
        try:
            with log.of(mail=mail):
                if state := self._queue.get(mail):
                    again = await self._handle(state)
        except TransientError as error:
            _log.warning("the queue waits", mail=mail, error=str(error))
            again = utc_now() + _BUS_RETRY
        except Exception:  # noqa: BLE001 - a bug with one mail must not stop the others
            _log.exception("a mail in the queue could not be handled", mail=mail)
            again = utc_now() + _BUG_RETRY
        finally:
            del self._tasks[mail]
            self._free.release()
        self._schedule(mail, again)

    async def _handle(self, state: QueuedMail) -> datetime | None:
        """Writes the DSNs, then makes attempts. Returns when to look again, if no event tells."""
        if state.held and not state.owed:
            return await self._give_up_if_gone(state)
        due = [(delivery, part) for delivery in state.attempts_due(utc_now()) for part in self._parts(state, delivery)]
        ready = [(delivery, part) for delivery, part in due if self._is_over(state) or not part.destination.down_reason]
        again = utc_now() + ROUTE_CHECK if len(ready) < len(due) else None
        if not ready and not state.owed:
            return again
        stored, sequence = await self._stored(state), 0
        for dsn in state.owed:
            sequence = await self._dsn_sender.send(state, dsn, stored)
        attempts = [self._attempt(state, delivery, part, stored) for delivery, part in ready]
        results = await all_results(attempts)
        await self._queue.reached(max([sequence, *(result.sequence for result in results)]))
        left = [part for (_, part), result in zip(ready, results, strict=True) if result.untried]
        if any(self._is_replaced(state, part) for part in left):
            return utc_now()
        return utc_now() + ROUTE_CHECK if left else again

    async def _give_up_if_gone(self, state: QueuedMail) -> datetime | None:
        """Without its record in MAIL a held mail can't be sent any more: its sender hears of it."""
        if await self._stored(state):
            return utc_now() + HELD_CHECK
        parts = [(delivery, part) for delivery in state.waiting for part in self._parts(state, delivery)]
        results = await all_results([self._attempt(state, delivery, part, None) for delivery, part in parts])
        await self._queue.reached(max(result.sequence for result in results))
        return None

    def _is_over(self, state: QueuedMail) -> bool:
        """Whether the mail is given up if its next hop can't be asked now."""
        return state.accepted_at is not None and self._deliverer.expired(state.accepted_at)

    def _is_replaced(self, state: QueuedMail, part: RoutePart) -> bool:
        """Whether the account has other routes by now: the mail may take one of them at once."""
        return part.destination not in self._table_of(state.account).all

    def _parts(self, state: QueuedMail, delivery: QueuedDelivery) -> list[RoutePart]:
        """By the routes of now, which may have changed since the last attempt."""
        return self._table_of(state.account).parts(state.sender, delivery.recipients)

    async def _attempt(
        self, state: QueuedMail, delivery: QueuedDelivery, part: RoutePart, stored: StoredMail | None
    ) -> AttemptResult:
        """Only for a route that was up a moment ago, or a mail that is given up."""
        message = _message(state, delivery, stored, self._deliverer).part(part.recipients, part.route)
        destination = part.destination
        lost = destination.down_reason and self._is_over(state)  # before its end, a mail waits for another route
        if stored is None or isinstance(destination, Unroutable) or lost:
            failures = tuple(failure for failure in delivery.failures if failure.recipient in part.recipients)
            return AttemptResult((), await self._deliverer.give_up(message, failures, destination.name))
        result = await self._deliverer.attempt(message, destination)
        waits = destination.down_reason or self._is_replaced(state, part)
        if result.untried and (self._is_over(state) or not waits):
            # none is known to be down (DNS gave none, or all hang): nobody tells when one is back
            left = message.part(result.untried, part.route)
            return AttemptResult((), await self._deliverer.defer(left, destination, result.why))
        return result

    async def _stored(self, state: QueuedMail) -> StoredMail | None:
        try:
            return await self._deliverer.bus.mail.get(state.sequence)
        except MissingMail:
            _log.error("the mail is gone from the stream", mail=state.mail, sequence=state.sequence)
            return None


def _message(
    state: QueuedMail, delivery: QueuedDelivery, stored: StoredMail | None, deliverer: Deliverer
) -> OutgoingMessage:
    """The mail for the next attempt. Without its record, the envelope has only what a DSN needs."""
    if stored:
        envelope, body = stored.record.envelope, deliverer.body(stored.record, stored.body)
    else:
        body = b""
        envelope = outline(state, state.recipients, state.accepted_at or utc_now())
    return OutgoingMessage(
        envelope=envelope,
        sequence=state.sequence,
        recipients=delivery.recipients,
        body=body,
        size=state.size,
        attempt=delivery.attempt + 1,
        converted=stored is not None and isinstance(stored.record, MailConverted),
        delay_told=state.delay_told,
    )
