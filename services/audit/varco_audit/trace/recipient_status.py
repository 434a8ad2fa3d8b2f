"""The state of each recipient, folded from the events of a mail. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from varco_audit.trace.model import RecipientState, RecipientStatus
from varco_common.events import (
    AnyEvent,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    RecipientRefused,
)

_UNDELIVERED = {
    MailDeferred: RecipientState.DEFERRED,
    MailBounced: RecipientState.BOUNCED,
    MailExpired: RecipientState.EXPIRED,
}
NOT_FINAL = {RecipientState.WAITING, RecipientState.DEFERRED}


def recipient_statuses(
    recipients: Iterable[str], events: Iterable[AnyEvent], *, accepted: bool, answer: str
) -> tuple[RecipientStatus, ...]:
    """In the order of the envelope. The last event about a recipient decides, up to a final one."""
    state = RecipientState.WAITING if accepted else RecipientState.REFUSED
    start = RecipientStatus("", state, answer="" if accepted else answer)
    statuses = {recipient: replace(start, recipient=recipient) for recipient in recipients}
    for event in events:
        for status in _statuses_of(event):
            before = statuses.get(status.recipient)
            if before is None or before.state in NOT_FINAL:
                statuses[status.recipient] = status
    return tuple(statuses.values())


def _statuses_of(event: AnyEvent) -> Iterable[RecipientStatus]:
    match event:
        case MailDelivered():
            for recipient in event.recipients:
                yield RecipientStatus(
                    recipient, RecipientState.DELIVERED, event.at, event.attempt, event.host, event.answer
                )
        case MailDeferred() | MailBounced() | MailExpired():
            for failure in event.failures:
                yield RecipientStatus(
                    failure.recipient, _UNDELIVERED[type(event)], event.at, event.attempt, event.host, failure.answer
                )
        case RecipientRefused():
            yield RecipientStatus(event.recipient, RecipientState.REFUSED, event.at, answer=event.answer)
        case MailDropped():
            for recipient in event.recipients:
                yield RecipientStatus(recipient, RecipientState.DROPPED, event.at)
