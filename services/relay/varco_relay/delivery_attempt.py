"""One attempt for one mail: sends it, and records what became of each recipient."""

import random
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import NamedTuple

from varco_common.base.errors import TransientError, VarcoError
from varco_common.base.ids import new_id
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import Failure
from varco_common.mail.record import MailRecord
from varco_common.storage.object_store import ObjectStore
from varco_relay import metrics
from varco_relay.decide.outcome import outcome_of
from varco_relay.decide.retry_schedule import RetrySchedule
from varco_relay.outcome_log import log_outcome
from varco_relay.outgoing_message import (
    OutcomeEvent,
    OutgoingMessage,
    delivered_event,
    expired_event,
    undelivered_events,
)
from varco_relay.smtp.connection_pool import BlackholeSink, ConnectionPool
from varco_relay.smtp.pending_transaction import NotAttempted
from varco_relay.smtp.transaction import BodyChunks, make_transaction, read_header

RECIPIENTS_PER_TRANSACTION = 100  # RFC 5321 4.5.3.1.8: every server takes that many


def utc_now() -> datetime:
    return datetime.now(UTC)


class AttemptResult(NamedTuple):
    """`untried` got no attempt, because the route went down.

    `sequence` is that of the last event, or 0.
    """

    untried: tuple[str, ...]
    sequence: int


class Deliverer:
    """Makes attempts and records them as events."""

    def __init__(self, bus: Bus, object_store: ObjectStore, schedule: RetrySchedule) -> None:
        self.bus, self._object_store, self._schedule = bus, object_store, schedule

    async def attempt(self, message: OutgoingMessage, destination: ConnectionPool | BlackholeSink) -> AttemptResult:
        """Tries every recipient once, in as many transactions as that takes.

        Records all before it returns.
        """
        untried, sequence = tuple(dict.fromkeys(message.recipients)), 0
        bounced: list[Failure] = []
        deferred: list[Failure] = []
        header = await _header(message)
        while untried:
            group, later = untried[:RECIPIENTS_PER_TRANSACTION], untried[RECIPIENTS_PER_TRANSACTION:]
            result = await destination.send(
                make_transaction(message.envelope, group, message.body, message.size, header)
            )
            if isinstance(result, NotAttempted):
                break
            outcome = outcome_of(result.replies)
            bounced += outcome.bounced
            deferred += outcome.deferred
            untried = outcome.untried + later
            if outcome.delivered:
                event = delivered_event(message, outcome, now=utc_now(), host=destination.name, tls=result.tls)
                sequence = await self._append(event, len(outcome.delivered))
        for failed in undelivered_events(
            message,
            bounced=tuple(bounced),
            deferred=tuple(deferred),
            host=destination.name,
            now=utc_now(),
            random=random.random(),  # noqa: S311 - jitter
            schedule=self._schedule,
            new_id=new_id,
        ):
            sequence = await self._append(failed, len(failed.failures))
        return AttemptResult(untried, sequence)

    def expired(self, accepted_at: datetime) -> bool:
        """Whether a mail that was accepted then is given up now."""
        return self._schedule.expired(utc_now(), accepted_at)

    async def give_up(self, message: OutgoingMessage, failures: tuple[Failure, ...], host: str) -> int:
        """Records that these recipients are tried no more; returns the sequence of the event."""
        event = expired_event(message, failures, host=host, now=utc_now(), new_id=new_id)
        return await self._append(event, len(failures))

    def body(self, record: MailRecord, inline: bytes) -> bytes | BodyChunks:
        """The body of the record in wire form: inline, or in chunks from the object store."""
        if not (key := record.body.object):
            return inline

        async def chunks() -> AsyncGenerator[bytes, None]:
            async for chunk in self._object_store.stream(key):
                yield chunk

        return chunks

    async def _append(self, event: OutcomeEvent, recipients: int) -> int:
        """Appends until the bus takes it: a delivery without its event would be made again."""
        try:
            sequence = await self.bus.events.append(event)
        except TransientError:  # not always by way of retries: they cost 20 microseconds a mail
            sequence = await retry_until_available(
                lambda: self.bus.events.append(event), "an outcome waits to be recorded", mail=event.mail
            )
        metrics.count_outcome(event, recipients)
        log_outcome(event)
        return sequence


async def _header(message: OutgoingMessage) -> bytes:
    """The header section of the mail; empty if it cannot be read, which the attempt records."""
    try:
        return await read_header(message.body)
    except VarcoError:
        return b""
