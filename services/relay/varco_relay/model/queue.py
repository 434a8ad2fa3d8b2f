"""The queue: mails that wait for another attempt, and DSNs that senders are owed.

Folded from events.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from varco_common.events import (
    AnyEvent,
    Failure,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    SenderNotified,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.delivery_options import Notify

_EVENTS = (
    MailDeferred,
    MailBounced,
    MailExpired,
    MailDropped,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    SenderNotified,
)
FILTERS = (*(kind.subject_filter() for kind in _EVENTS), MailDelivered.later_subject_filter())


class DsnAction(StrEnum):
    """What a notification tells of (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"

    @property
    def wanted_by(self) -> Notify:
        """The word of RFC 3461 4.1 that asks for it."""
        return {"failed": Notify.FAILURE, "delayed": Notify.DELAY, "relayed": Notify.SUCCESS}[self]


class PendingDsn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notification that is not written yet.

    `since` is when the failure became final, `host` is the name of the next hop. `failures` have
    the reply to each recipient, also to one that was relayed.
    """

    dsn: str
    failures: tuple[Failure, ...]
    host: str
    since: datetime
    expired: bool = False
    action: DsnAction = DsnAction.FAILED


class QueuedDelivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The recipients of a mail that were deferred together: the last reply to each.

    `attempt` is the number of the last attempt, `host` its next hop, `route` why it was that one.
    """

    failures: tuple[Failure, ...]
    next_at: datetime | None = None
    attempt: int = 0
    host: str = ""
    route: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(failure.recipient for failure in self.failures)


class QueuedMail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mail in the queue; `failures` has the last reply to each recipient that still waits.

    `sequence` is the place of its record in MAIL, `attempt` the number of the last attempt. Where
    the recipients wait for different things, `deliveries` has each; then the mail's own fields are
    those of the next delivery, with the failures of all.
    """

    account: str
    mail: str
    sequence: int
    sender: str = ""
    size: int = 0
    accepted_at: datetime | None = None
    next_at: datetime | None = None
    attempt: int = 0
    host: str = ""
    route: str = ""
    failures: tuple[Failure, ...] = ()
    deliveries: tuple[QueuedDelivery, ...] = ()
    held: bool = False
    delay_told: bool = False
    owed: tuple[PendingDsn, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(failure.recipient for failure in self.failures)

    @property
    def due(self) -> datetime | None:
        """When there is something to do: at once if a DSN is pending.

        None: never, or the mail is held.
        """
        if self.owed:
            return min(dsn.since for dsn in self.owed)
        return None if self.held or not self.failures else self.next_at

    @property
    def waiting(self) -> tuple[QueuedDelivery, ...]:
        """What waits for an attempt; one delivery for recipients that wait for the same."""
        if self.deliveries or not self.failures:
            return self.deliveries
        same = {name: getattr(self, name) for name in QueuedDelivery.__struct_fields__}
        return (QueuedDelivery(**same),)

    def attempts_due(self, now: datetime) -> tuple[QueuedDelivery, ...]:
        """The deliveries for which it is time."""
        if self.held:
            return ()
        return tuple(delivery for delivery in self.waiting if delivery.next_at is not None and delivery.next_at <= now)


def key(event: AnyEvent) -> str:
    """The id of the mail: each mail has its own state."""
    return str(getattr(event, "mail", event.key))


def apply(state: QueuedMail | None, event: AnyEvent) -> QueuedMail | None:
    """The state after the event; None when no recipient waits and no DSN is pending."""
    match event:
        case MailDeferred():
            after = _deferred(state or _from_event(event), event)
        case MailBounced() | MailExpired():
            after = _failed(state or _from_event(event), event)
        case MailDelivered() if event.dsn:
            after = _relayed(state or _from_event(event), event)
        case _ if state is None:
            return None
        case MailDelivered() | MailDropped():
            after = _without(state, event.recipients)
        case MailHeld():
            after = msgspec.structs.replace(state, held=True)
        case MailReleased():
            after = _all_due(msgspec.structs.replace(state, held=False), event.at)
        case MailRetryRequested():
            after = _all_due(state, event.at)
        case SenderNotified():
            after = msgspec.structs.replace(state, owed=tuple(dsn for dsn in state.owed if dsn.dsn != event.dsn))
        case _:
            return state
    return after if after.failures or after.owed else None


def _from_event(event: MailDeferred | MailBounced | MailExpired | MailDelivered) -> QueuedMail:
    """A delivery says nothing of the sender: the record of the mail does."""
    sender = "" if isinstance(event, MailDelivered) else event.sender
    return QueuedMail(account=event.account, mail=event.mail, sequence=event.sequence, sender=sender)


def _deferred(before: QueuedMail, event: MailDeferred) -> QueuedMail:
    """One more delivery, of the recipients that were tried again; the others keep theirs."""
    after = msgspec.structs.replace(
        _without(before, tuple(failure.recipient for failure in event.failures)),
        sender=event.sender,
        size=event.size,
        accepted_at=event.accepted_at,
    )
    same = {name: getattr(event, name) for name in QueuedDelivery.__struct_fields__}
    after = _with(after, (*after.waiting, QueuedDelivery(**same)))
    if not event.dsn:
        return after
    dsn = PendingDsn(dsn=event.dsn, failures=event.failures, host=event.host, since=event.at, action=DsnAction.DELAYED)
    return msgspec.structs.replace(_owing(after, dsn), delay_told=True)


def _with(state: QueuedMail, waiting: tuple[QueuedDelivery, ...]) -> QueuedMail:
    """The mail with these deliveries. Its own fields are what earlier versions read."""
    if not waiting:
        return msgspec.structs.replace(state, failures=(), deliveries=())
    first = min(waiting, key=lambda delivery: (delivery.next_at is None, delivery.next_at))
    return msgspec.structs.replace(
        state,
        next_at=first.next_at,
        attempt=first.attempt,
        host=first.host,
        route=first.route,
        failures=tuple(failure for delivery in waiting for failure in delivery.failures),
        deliveries=waiting if len(waiting) > 1 else (),
    )


def _all_due(state: QueuedMail, at: datetime) -> QueuedMail:
    return _with(state, tuple(msgspec.structs.replace(delivery, next_at=at) for delivery in state.waiting))


def _failed(before: QueuedMail, event: MailBounced | MailExpired) -> QueuedMail:
    after = _without(before, tuple(failure.recipient for failure in event.failures))
    if not event.dsn:
        return after
    dsn = PendingDsn(
        dsn=event.dsn, failures=event.failures, host=event.host, since=event.at, expired=isinstance(event, MailExpired)
    )
    return _owing(after, dsn)


def _relayed(before: QueuedMail, event: MailDelivered) -> QueuedMail:
    """The next hop tells nobody whether it delivers, so the gate tells how far the mail got."""
    replies = tuple(Failure(recipient=r, status="2.0.0", answer=event.answer) for r in event.recipients)
    dsn = PendingDsn(dsn=event.dsn, failures=replies, host=event.host, since=event.at, action=DsnAction.RELAYED)
    return _owing(_without(before, event.recipients), dsn)


def _owing(state: QueuedMail, dsn: PendingDsn) -> QueuedMail:
    """An event may come twice."""
    if any(other.dsn == dsn.dsn for other in state.owed):
        return state
    return msgspec.structs.replace(state, owed=(*state.owed, dsn))


def _without(state: QueuedMail, recipients: tuple[str, ...]) -> QueuedMail:
    final = set(recipients)
    left = []
    for delivery in state.waiting:
        failures = tuple(failure for failure in delivery.failures if failure.recipient not in final)
        left += [msgspec.structs.replace(delivery, failures=failures)] if failures else []
    return _with(state, tuple(left))


PROJECTION = ProjectionSpec("queue", FILTERS, apply, QueuedMail, key)
