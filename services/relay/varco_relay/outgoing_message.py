"""A mail as relay handles it, and the events that record what became of it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from varco_common.events import Failure, MailBounced, MailDeferred, MailDelivered, MailExpired
from varco_common.mail.delivery_options import Notify
from varco_common.mail.envelope import Envelope
from varco_relay.decide.outcome import AttemptOutcome
from varco_relay.decide.retry_schedule import RetrySchedule
from varco_relay.smtp.transaction import BodyChunks

OutcomeEvent = MailDelivered | MailDeferred | MailBounced | MailExpired


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A mail, the recipients still to be tried, and the number of this attempt (1: the first).

    `route` says how their next hop was chosen, as in events. `converted`: filelink changed the
    body.
    """

    envelope: Envelope
    sequence: int
    recipients: tuple[str, ...]
    body: bytes | BodyChunks
    size: int
    attempt: int = 1
    converted: bool = False
    route: str = ""

    def part(self, recipients: tuple[str, ...], route: str) -> "OutgoingMessage":
        """The same mail for some of its recipients, who take this route."""
        if recipients == self.recipients and route == self.route:
            return self
        return replace(self, recipients=recipients, route=route)


def delivered_event(
    message: OutgoingMessage, outcome: AttemptOutcome, *, now: datetime, host: str, tls: str, dkim: str = ""
) -> MailDelivered:
    """One event for all recipients of one transaction."""
    fields = _common_fields(message, now, host)
    return MailDelivered(**fields, recipients=outcome.delivered, answer=outcome.answer, tls=tls, dkim=dkim)


def undelivered_events(
    message: OutgoingMessage,
    *,
    bounced: tuple[Failure, ...],
    deferred: tuple[Failure, ...],
    host: str,
    now: datetime,
    random: float,
    schedule: RetrySchedule,
    new_id: Callable[[], str],
) -> list[MailBounced | MailExpired | MailDeferred]:
    """What becomes of recipients without a delivery: bounced, expired, or tried again later."""
    events: list[MailBounced | MailExpired | MailDeferred] = []
    for refused_by in dict.fromkeys((host, "")):
        refusals = tuple(failure for failure in bounced if failure.by_gate is not bool(refused_by))
        if refusals:
            events.append(MailBounced(**_failure_fields(message, refusals, now, refused_by, new_id)))
    if deferred and schedule.expired(now, message.envelope.received_at):
        events.append(expired_event(message, deferred, host=host, now=now, new_id=new_id))
    elif deferred:
        event = MailDeferred(
            **_common_fields(message, now, host),
            failures=deferred,
            sender=message.envelope.sender,
            size=message.size,
            accepted_at=message.envelope.received_at,
            next_at=schedule.next_attempt(now, message.attempt, random),
        )
        events.append(event)
    return events


def expired_event(
    message: OutgoingMessage, failures: tuple[Failure, ...], *, host: str, now: datetime, new_id: Callable[[], str]
) -> MailExpired:
    """The time for attempts is over."""
    return MailExpired(**_failure_fields(message, failures, now, host, new_id))


def _failure_fields(
    message: OutgoingMessage, failures: tuple[Failure, ...], now: datetime, host: str, new_id: Callable[[], str]
) -> dict[str, Any]:
    """RFC 5321 4.5.5: a null sender gets no DSN. Mail about mail could go round for ever.

    Nor does one that wants none for these recipients (RFC 3461 4.1).
    """
    envelope = message.envelope
    told = envelope.sender and any(envelope.wants(failure.recipient, Notify.FAILURE) for failure in failures)
    fields = _common_fields(message, now, host)
    return fields | {"failures": failures, "sender": envelope.sender, "dsn": new_id() if told else ""}


def _common_fields(message: OutgoingMessage, now: datetime, host: str) -> dict[str, Any]:
    return {
        "at": now,
        "account": message.envelope.account,
        "mail": message.envelope.id,
        "sequence": message.sequence,
        "host": host,
        "attempt": message.attempt,
        "route": message.route,
    }
