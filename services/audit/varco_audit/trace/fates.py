"""Where each recipient stands, folded from a mail's events. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from varco_audit.trace.model import Fate, State
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

_FINAL = {State.DELIVERED, State.BOUNCED, State.EXPIRED, State.DROPPED, State.REFUSED}


def fates(recipients: Iterable[str], events: Iterable[AnyEvent], *, accepted: bool, answer: str) -> tuple[Fate, ...]:
    """In the order of the envelope; the last event about a recipient says where it stands."""
    start = Fate("", State.WAITING) if accepted else Fate("", State.REFUSED, answer=answer)
    found = {recipient: replace(start, recipient=recipient) for recipient in recipients}
    for event in events:
        for fate in _said(event):
            before = found.get(fate.recipient)
            if before is None or before.state not in _FINAL:
                found[fate.recipient] = fate
    return tuple(found.values())


def _said(event: AnyEvent) -> Iterable[Fate]:
    match event:
        case MailDelivered():
            for recipient in event.recipients:
                yield Fate(recipient, State.DELIVERED, event.at, event.attempt, event.host, event.answer)
        case MailDeferred():
            yield from _failed(event, event.failures, State.DEFERRED)
        case MailBounced():
            yield from _failed(event, event.failures, State.BOUNCED)
        case MailExpired():
            yield from _failed(event, event.failures, State.EXPIRED)
        case RecipientRefused():
            yield Fate(event.recipient, State.REFUSED, event.at, answer=event.answer)
        case MailDropped():
            for recipient in event.recipients:
                yield Fate(recipient, State.DROPPED, event.at)


def _failed(
    event: MailDeferred | MailBounced | MailExpired, failures: Iterable[Failure], state: State
) -> Iterable[Fate]:
    for failure in failures:
        yield Fate(failure.recipient, state, event.at, event.attempt, event.host, failure.answer)
