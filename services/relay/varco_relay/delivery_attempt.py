"""One attempt for one mail: sends it, and records what became of each recipient."""

import random
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from varco_common.base.errors import TransientError, VarcoError
from varco_common.base.ids import new_id
from varco_common.base.tasks import all_results, retry_until_available
from varco_common.bus import Bus
from varco_common.events import Failure
from varco_common.mail.record import MailRecord
from varco_common.storage.object_store import ObjectStore
from varco_relay import metrics
from varco_relay.attempt_log import AttemptLog
from varco_relay.decide.outcome import AttemptOutcome, outcome_of
from varco_relay.decide.retry_schedule import RetrySchedule
from varco_relay.dkim.signer import MailSigner
from varco_relay.outcome_log import log_outcome
from varco_relay.outgoing_message import (
    OutcomeEvent,
    OutgoingMessage,
    delivered_event,
    expired_event,
    undelivered_events,
)
from varco_relay.smtp.hop_list import Hop, HopList
from varco_relay.smtp.mx_hops import MX, DirectHops
from varco_relay.smtp.pending_transaction import NotAttempted
from varco_relay.smtp.pool_registry import Destination
from varco_relay.smtp.smtp_reply import MAX_TEXT, SmtpReply
from varco_relay.smtp.transaction import BodyChunks, Sign, SmtpTransaction, make_transaction, read_header

RECIPIENTS_PER_TRANSACTION = 100  # RFC 5321 4.5.3.1.8: every server takes that many


def utc_now() -> datetime:
    return datetime.now(UTC)


class AttemptResult(NamedTuple):
    """`untried` got no attempt, because of `why`: no next hop could be asked.

    `sequence` is that of the last event, or 0.
    """

    untried: tuple[str, ...]
    sequence: int
    why: str = ""


class Deliverer:
    """Makes attempts and records them as events."""

    def __init__(
        self, bus: Bus, object_store: ObjectStore, schedule: RetrySchedule, signer: MailSigner | None = None
    ) -> None:
        self.bus, self._object_store, self._schedule, self._signer = bus, object_store, schedule, signer

    async def attempt(self, message: OutgoingMessage, destination: HopList | DirectHops) -> AttemptResult:
        """Tries every recipient once, in as many transactions as that takes.

        A recipient that one next hop defers is offered to the others. Records all before it
        returns.
        """
        header = await _header(message)
        groups = destination.groups(tuple(dict.fromkeys(message.recipients)))
        attempts = [self._attempt_group(message, group, destination, header) for group in groups]
        results = await all_results(attempts)
        untried = tuple(recipient for result in results for recipient in result.untried)
        why = next((result.why for result in results if result.untried), "")
        return AttemptResult(untried, max(result.sequence for result in results), why)

    async def _attempt_group(
        self, message: OutgoingMessage, recipients: tuple[str, ...], destination: HopList | DirectHops, header: bytes
    ) -> AttemptResult:
        """For recipients that the same next hops take."""
        attempt = _Attempt(message, header, destination.patience, AttemptLog())
        left, log = recipients, attempt.log
        chosen = await destination.choose(recipients, any_tls=message.envelope.any_tls)
        if isinstance(chosen, SmtpReply):
            log.note(destination.name, outcome_of(dict.fromkeys(recipients, chosen)))
            left, chosen = (), ()
        for hop in chosen:
            left = await self._offer(attempt, left, hop)
            if not left:
                break
        if left and destination.defers:
            log.note_untried(left)
        log.wait_for_passed_over()
        sequence = await self._record(message, log)
        untried = tuple(recipient for recipient in left if recipient not in log.failed)
        return AttemptResult(untried, max(sequence, log.sequence), log.not_asked)

    async def _offer(self, attempt: "_Attempt", recipients: tuple[str, ...], hop: Hop) -> tuple[str, ...]:
        """Offers the mail to one next hop. Returns the recipients that another one may take."""
        untried, elsewhere, log = recipients, list[str](), attempt.log
        while untried:
            group, later = untried[:RECIPIENTS_PER_TRANSACTION], untried[RECIPIENTS_PER_TRANSACTION:]
            transaction = attempt.transaction(group, self._sign_for(attempt.message))
            result = await hop.send(transaction, attempt.patience)
            if isinstance(result, NotAttempted):
                log.pass_over(hop.name, result.reason)
                break
            outcome = outcome_of(result.replies)
            log.note(hop.name, outcome, result.dkim)
            metrics.count_at_hop(hop.label, outcome)
            if hop.label == MX:
                metrics.count_at_mx_host(hop.name.rpartition(":")[0], outcome)
            failed = {failure.recipient for failure in (*outcome.bounced, *outcome.deferred)}  # here, not before
            elsewhere += [r for r in group if r in failed and result.replies[r].may_go_elsewhere]
            untried = outcome.untried + later
            if outcome.delivered:
                message = attempt.message.part(attempt.message.recipients, log.route(attempt.message.route, hop.name))
                event = delivered_event(
                    message,
                    outcome,
                    now=utc_now(),
                    host=hop.name,
                    tls=result.tls,
                    dkim=result.dkim,
                    told=result.dsn,
                    new_id=new_id,
                )
                log.sequence = await self._append(event, len(outcome.delivered))
        return (*elsewhere, *untried)

    async def _record(self, message: OutgoingMessage, log: AttemptLog) -> int:
        """Appends the events of recipients that no next hop took. Returns the last sequence."""
        sequence = 0
        for host, failures in log.failures_by_host():
            for failed in undelivered_events(
                message.part(message.recipients, log.route(message.route, host)),
                bounced=failures.bounced,
                deferred=failures.deferred,
                host=host,
                dkim=log.dkim(host),
                now=utc_now(),
                random=random.random(),  # noqa: S311 - jitter
                schedule=self._schedule,
                new_id=new_id,
            ):
                sequence = await self._append(failed, len(failed.failures))
        return sequence

    async def defer(self, message: OutgoingMessage, destination: Destination, why: str = "") -> int:
        """Records that these recipients wait for their route, or are tried no more.

        `why` no next hop could be asked; empty: the destination says it. Returns the sequence of
        the event.
        """
        answer = f"4.4.1 {destination.down_reason or why}"[:MAX_TEXT]
        failures = tuple(Failure(recipient=r, status="4.4.1", answer=answer) for r in message.recipients)
        log = AttemptLog()
        log.note(destination.name, AttemptOutcome(deferred=failures))
        return await self._record(message, log)

    def _sign_for(self, message: OutgoingMessage) -> Sign | None:
        if self._signer is None:
            return None
        return partial(self._signer.sign, account=message.envelope.account)

    def expired(self, accepted_at: datetime) -> bool:
        """Whether a mail that was accepted then is given up now."""
        return self._schedule.expired(utc_now(), accepted_at)

    def over_at(self, accepted_at: datetime) -> datetime:
        """When the time of a mail is over that was accepted then."""
        return accepted_at + self._schedule.give_up

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


class _Attempt(NamedTuple):
    """`patience` is in seconds, as of a connection pool."""

    message: OutgoingMessage
    header: bytes
    patience: float
    log: AttemptLog

    def transaction(self, recipients: tuple[str, ...], sign: Sign | None) -> SmtpTransaction:
        message = self.message
        return make_transaction(
            message.envelope,
            recipients,
            message.body,
            message.size,
            self.header,
            rewritten=message.converted,
            sign=sign,
        )


async def _header(message: OutgoingMessage) -> bytes:
    """The header section of a body in chunks; empty if it cannot be read, which is recorded."""
    if isinstance(message.body, bytes):
        return b""
    try:
        return await read_header(message.body)
    except VarcoError:
        return b""
