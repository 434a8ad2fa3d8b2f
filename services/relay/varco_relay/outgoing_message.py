"""A mail as relay handles it, and the events that record what became of it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from varco_common.events import Failure, MailBounced, MailDeferred, MailDelivered, MailExpired
from varco_common.mail.delivery_options import Notify
from varco_common.mail.envelope import Envelope
from varco_relay.decide.outcome import AttemptOutcome
from varco_relay.decide.retry_schedule import RetrySchedule
from varco_relay.smtp.transaction import BodyChunks

DELAY_TOLD_AFTER = timedelta(hours=4)  # long enough for greylisting and a restart
OutcomeEvent = MailDelivered | MailDeferred | MailBounced | MailExpired


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A mail, the recipients still to be tried, and the number of this attempt (1: the first).

    `route` says how their next hop was chosen, as in events. `converted`: filelink changed the
    body. `delay_told`: the sender has been told that it is late.
    """

    envelope: Envelope
    sequence: int
    recipients: tuple[str, ...]
    body: bytes | BodyChunks
    size: int
    attempt: int = 1
    converted: bool = False
    route: str = ""
    delay_told: bool = False

    def part(self, recipients: tuple[str, ...], route: str) -> "OutgoingMessage":
        """The same mail for some of its recipients, who take this route."""
        if recipients == self.recipients and route == self.route:
            return self
        return replace(self, recipients=recipients, route=route)


def delivered_event(
    message: OutgoingMessage,
    outcome: AttemptOutcome,
    *,
    now: datetime,
    host: str,
    tls: str,
    told: bool,
    new_id: Callable[[], str],
    dkim: str = "",
) -> MailDelivered:
    """One event for all recipients of one transaction.

    `told`: the next hop sends the notifications that the sender asked for.
    """
    owed = not told and _wants(message, outcome.delivered, Notify.SUCCESS)  # RFC 3461 5.2.2
    return MailDelivered(
        **_common_fields(message, now, host, dkim),
        recipients=outcome.delivered,
        answer=outcome.answer,
        tls=tls,
        dsn=new_id() if owed else "",
    )


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
    dkim: str = "",
) -> list[MailBounced | MailExpired | MailDeferred]:
    """What becomes of recipients without a delivery: bounced, expired, or tried again later."""
    events: list[MailBounced | MailExpired | MailDeferred] = []
    for refused_by in dict.fromkeys((host, "")):
        refusals = tuple(failure for failure in bounced if failure.by_gate is not bool(refused_by))
        if refusals:
            events.append(
                MailBounced(**_failure_fields(message, refusals, now=now, host=refused_by, new_id=new_id, dkim=dkim))
            )
    if deferred and schedule.expired(now, message.envelope.received_at):
        events.append(expired_event(message, deferred, host=host, now=now, new_id=new_id, dkim=dkim))
    elif deferred:
        event = MailDeferred(
            **_common_fields(message, now, host, dkim),
            failures=deferred,
            sender=message.envelope.sender,
            size=message.size,
            accepted_at=message.envelope.received_at,
            next_at=schedule.next_attempt(now, message.attempt, random),
            dsn=new_id() if _is_late(message, deferred, now) else "",
        )
        events.append(event)
    return events


def expired_event(
    message: OutgoingMessage,
    failures: tuple[Failure, ...],
    *,
    host: str,
    now: datetime,
    new_id: Callable[[], str],
    dkim: str = "",
) -> MailExpired:
    """The time for attempts is over."""
    return MailExpired(**_failure_fields(message, failures, now=now, host=host, new_id=new_id, dkim=dkim))


def _failure_fields(
    message: OutgoingMessage,
    failures: tuple[Failure, ...],
    *,
    now: datetime,
    host: str,
    new_id: Callable[[], str],
    dkim: str,
) -> dict[str, Any]:
    """RFC 5321 4.5.5: a null sender gets no DSN. Mail about mail could go round for ever.

    Nor does one that wants none for these recipients (RFC 3461 4.1).
    """
    told = _wants(message, (failure.recipient for failure in failures), Notify.FAILURE)
    fields = _common_fields(message, now, host, dkim)
    return fields | {"failures": failures, "sender": message.envelope.sender, "dsn": new_id() if told else ""}


def _is_late(message: OutgoingMessage, deferred: tuple[Failure, ...], now: datetime) -> bool:
    """Whether it is time to tell the sender of the delay, which happens once for a mail."""
    late = now - message.envelope.received_at >= DELAY_TOLD_AFTER and not message.delay_told
    return late and _wants(message, (failure.recipient for failure in deferred), Notify.DELAY)


def _wants(message: OutgoingMessage, recipients: Iterable[str], when: Notify) -> bool:
    """Whether there is a sender who wants to hear of any of them."""
    envelope = message.envelope
    return bool(envelope.sender) and any(envelope.wants(recipient, when) for recipient in recipients)


def _common_fields(message: OutgoingMessage, now: datetime, host: str, dkim: str) -> dict[str, Any]:
    return {
        "at": now,
        "account": message.envelope.account,
        "mail": message.envelope.id,
        "sequence": message.sequence,
        "host": host,
        "attempt": message.attempt,
        "route": message.route,
        "dkim": dkim,
    }
