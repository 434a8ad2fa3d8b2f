"""One attempt for one mail: sends it through a lane, and records what became of each recipient."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import NamedTuple, Protocol

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.events import Failure
from varco_common.mail.record import MailRecord
from varco_common.storage.object_store import ObjectStore
from varco_relay import metrics
from varco_relay.decide.outcome import RetrySchedule, outcome_of
from varco_relay.outgoing_message import (
    OutcomeEvent,
    OutgoingMessage,
    delivered_event,
    expired_event,
    undelivered_events,
)
from varco_relay.smtp.pending_transaction import NotAttempted, Result
from varco_relay.smtp.transaction import Capabilities, Chunks, Transaction, make_transaction

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_log = log.get(__name__)

Clock = Callable[[], datetime]


class SendsTransactions(Protocol):
    """Where mails go: a lane to a next hop, or the black hole."""

    @property
    def name(self) -> str: ...
    @property
    def able(self) -> Capabilities | None: ...
    @property
    def why(self) -> str: ...
    async def send(self, parcel: Transaction) -> Result: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


class AttemptResult(NamedTuple):
    """`left` got no attempt, as the route went down; `sequence` is that of the last event that was appended."""

    left: tuple[str, ...]
    sequence: int


class Deliverer:
    """Attempts, with all that they need. `recipients_at_once` bounds one transaction."""

    def __init__(
        self,
        bus: Bus,
        blobs: ObjectStore,
        patience: RetrySchedule,
        *,
        recipients_at_once: int = 100,  # RFC 5321 4.5.3.1.8: what every server takes
        clock: Clock = utc_now,
    ) -> None:
        self.bus, self.patience, self.clock = bus, patience, clock
        self._blobs, self._at_once = blobs, recipients_at_once

    async def attempt(self, letter: OutgoingMessage, way: SendsTransactions) -> "AttemptResult":
        """Tries every recipient once, in as many transactions as that takes.

        What happened is recorded when it returns.
        """
        left, sequence = tuple(dict.fromkeys(letter.recipients)), 0
        bounced: list[Failure] = []
        deferred: list[Failure] = []
        while left:
            now, later = left[: self._at_once], left[self._at_once :]
            result = await way.send(make_transaction(letter.envelope, now, letter.body, letter.size))
            if isinstance(result, NotAttempted):
                break
            planned = outcome_of(result.said)
            bounced += planned.bounced
            deferred += planned.deferred
            left = planned.again + later
            if planned.delivered:
                sequence = await self._record(
                    delivered_event(letter, planned, now=self.clock(), host=way.name, tls=result.tls),
                    len(planned.delivered),
                )
        if bounced or deferred:
            sequence = await self.undelivered(letter, tuple(bounced), tuple(deferred), way.name)
        return AttemptResult(left, sequence)

    async def undelivered(
        self, letter: OutgoingMessage, bounced: tuple[Failure, ...], deferred: tuple[Failure, ...], host: str
    ) -> int:
        """Records it; returns the last event's sequence."""
        sequence = 0
        for event in undelivered_events(
            letter,
            bounced=bounced,
            deferred=deferred,
            host=host,
            now=self.clock(),
            random=random.random(),  # noqa: S311 - jitter
            patience=self.patience,
            new_id=new_id,
        ):
            sequence = await self._record(event, len(event.failures))
        return sequence

    async def give_up(self, letter: OutgoingMessage, failures: tuple[Failure, ...], host: str) -> int:
        """Records that these are tried no more; returns the event's sequence."""
        event = expired_event(letter, failures, host=host, now=self.clock(), new_id=new_id)
        return await self._record(event, len(failures))

    def body(self, record: MailRecord, inline: bytes) -> bytes | Chunks:
        """The body as it travels: what the record holds, or what it names in the object store."""
        if not (key := record.body.object):
            return inline

        async def chunks() -> AsyncGenerator[bytes, None]:
            async for piece in self._blobs.stream(key):
                yield piece

        return chunks

    async def _record(self, event: OutcomeEvent, recipients: int) -> int:
        """Appends until the bus takes it: what isn't on record would be sent again."""
        for wait in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
            try:
                sequence = await self.bus.events.append(event)
            except TransientError as error:
                _log.warning("an outcome waits to be recorded", mail=event.mail, error=str(error))
                await asyncio.sleep(wait)
            else:
                metrics.outcome(event, recipients)
                return sequence
        raise AssertionError("repeat ends never")
