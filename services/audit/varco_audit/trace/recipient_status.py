"""Where each recipient stands, folded from a mail's events. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from varco_audit.trace.model import RecipientState, RecipientStatus
from varco_common.events import (
    AnyEvent,
    Failure,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    RecipientRefused,
)

_FINAL = {
    RecipientState.DELIVERED,
    RecipientState.BOUNCED,
    RecipientState.EXPIRED,
    RecipientState.DROPPED,
    RecipientState.REFUSED,
}


def recipient_statuses(
    recipients: Iterable[str], events: Iterable[AnyEvent], *, accepted: bool, answer: str
) -> tuple[RecipientStatus, ...]:
    """In the order of the envelope; the last event about a recipient says where it stands."""
    start = (
        RecipientStatus("", RecipientState.WAITING)
        if accepted
        else RecipientStatus("", RecipientState.REFUSED, answer=answer)
    )
    found = {recipient: replace(start, recipient=recipient) for recipient in recipients}
    for event in events:
        for fate in _said(event):
            before = found.get(fate.recipient)
            if before is None or before.state not in _FINAL:
                found[fate.recipient] = fate
    return tuple(found.values())


def _said(event: AnyEvent) -> Iterable[RecipientStatus]:
    match event:
        case MailDelivered():
            for recipient in event.recipients:
                yield RecipientStatus(
                    recipient, RecipientState.DELIVERED, event.at, event.attempt, event.host, event.answer
                )
        case MailDeferred():
            yield from _failed(event, event.failures, RecipientState.DEFERRED)
        case MailBounced():
            yield from _failed(event, event.failures, RecipientState.BOUNCED)
        case MailExpired():
            yield from _failed(event, event.failures, RecipientState.EXPIRED)
        case RecipientRefused():
            yield RecipientStatus(event.recipient, RecipientState.REFUSED, event.at, answer=event.answer)
        case MailDropped():
            for recipient in event.recipients:
                yield RecipientStatus(recipient, RecipientState.DROPPED, event.at)


def _failed(
    event: MailDeferred | MailBounced | MailExpired, failures: Iterable[Failure], state: RecipientState
) -> Iterable[RecipientStatus]:
    for failure in failures:
        yield RecipientStatus(failure.recipient, state, event.at, event.attempt, event.host, failure.answer)
