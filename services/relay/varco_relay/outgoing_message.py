"""A mail as relay handles it, and the events that say what became of it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from varco_common.events import Failure, MailBounced, MailDeferred, MailDelivered, MailExpired
from varco_common.mail.envelope import Envelope
from varco_relay.decide.outcome import AttemptOutcome, RetrySchedule, expired, next_attempt
from varco_relay.smtp.transaction import Chunks

OutcomeEvent = MailDelivered | MailDeferred | MailBounced | MailExpired


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A mail, those of its recipients that are still to be tried, and which attempt this is (1 the first)."""

    envelope: Envelope
    sequence: int
    recipients: tuple[str, ...]
    body: bytes | Chunks
    size: int
    attempt: int = 1


def delivered_event(
    letter: OutgoingMessage, plan: AttemptOutcome, *, now: datetime, host: str, tls: str
) -> MailDelivered:
    """One event for all who got it in one transaction."""
    return MailDelivered(
        at=now,
        account=letter.envelope.account,
        mail=letter.envelope.id,
        sequence=letter.sequence,
        recipients=plan.delivered,
        host=host,
        answer=plan.answer,
        tls=tls,
        attempt=letter.attempt,
    )


def undelivered_events(
    letter: OutgoingMessage,
    *,
    bounced: tuple[Failure, ...],
    deferred: tuple[Failure, ...],
    host: str,
    now: datetime,
    random: float,
    patience: RetrySchedule,
    new_id: Callable[[], str],
) -> list[MailBounced | MailExpired | MailDeferred]:
    """What becomes of those who didn't get it: refused for good, given up, or tried again later.

    A null sender is owed no notification (RFC 5321 4.5.5): mail about mail could go round for ever.
    """
    events: list[MailBounced | MailExpired | MailDeferred] = []
    if bounced:
        events.append(_bounced(letter, bounced, host=host, now=now, new_id=new_id))
    if deferred and expired(now, letter.envelope.received_at, patience):
        events.append(expired_event(letter, deferred, host=host, now=now, new_id=new_id))
    elif deferred:
        due = next_attempt(now, letter.attempt, random, patience)
        events.append(_deferred(letter, deferred, host=host, now=now, due=due))
    return events


def _deferred(
    letter: OutgoingMessage, failures: tuple[Failure, ...], *, host: str, now: datetime, due: datetime
) -> MailDeferred:
    return MailDeferred(
        at=now,
        account=letter.envelope.account,
        mail=letter.envelope.id,
        sequence=letter.sequence,
        failures=failures,
        host=host,
        sender=letter.envelope.sender,
        size=letter.size,
        accepted_at=letter.envelope.received_at,
        next_at=due,
        attempt=letter.attempt,
    )


def _bounced(
    letter: OutgoingMessage, failures: tuple[Failure, ...], *, host: str, now: datetime, new_id: Callable[[], str]
) -> MailBounced:
    return MailBounced(
        at=now,
        account=letter.envelope.account,
        mail=letter.envelope.id,
        sequence=letter.sequence,
        failures=failures,
        host=host,
        sender=letter.envelope.sender,
        dsn=new_id() if letter.envelope.sender else "",
        attempt=letter.attempt,
    )


def expired_event(
    letter: OutgoingMessage, failures: tuple[Failure, ...], *, host: str, now: datetime, new_id: Callable[[], str]
) -> MailExpired:
    """Their time is over."""
    return MailExpired(
        at=now,
        account=letter.envelope.account,
        mail=letter.envelope.id,
        sequence=letter.sequence,
        failures=failures,
        host=host,
        sender=letter.envelope.sender,
        dsn=new_id() if letter.envelope.sender else "",
        attempt=letter.attempt,
    )
