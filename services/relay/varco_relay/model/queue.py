"""The queue: mails that wait for another attempt, and DSNs that senders are owed.

Folded from events.
"""

from datetime import datetime

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


class PendingDsn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notification that is not written yet.

    `since` is when the failure became final, `host` is the name of the next hop.
    """

    dsn: str
    failures: tuple[Failure, ...]
    host: str
    since: datetime
    expired: bool = False


class QueuedMail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mail in the queue; `failures` has the last reply to each recipient that still waits.

    `sequence` is the place of its record in MAIL, `attempt` the number of the last attempt.
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
    failures: tuple[Failure, ...] = ()
    held: bool = False
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

    def attempt_due(self, now: datetime) -> bool:
        """Whether it is time for an attempt."""
        return bool(self.failures) and not self.held and self.next_at is not None and self.next_at <= now


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
        case _ if state is None:
            return None
        case MailDelivered() | MailDropped():
            after = _without(state, event.recipients)
        case MailHeld():
            after = msgspec.structs.replace(state, held=True)
        case MailReleased():
            after = msgspec.structs.replace(state, held=False, next_at=event.at)
        case MailRetryRequested():
            after = msgspec.structs.replace(state, next_at=event.at)
        case SenderNotified():
            after = msgspec.structs.replace(state, owed=tuple(dsn for dsn in state.owed if dsn.dsn != event.dsn))
        case _:
            return state
    return after if after.failures or after.owed else None


def _from_event(event: MailDeferred | MailBounced | MailExpired) -> QueuedMail:
    return QueuedMail(account=event.account, mail=event.mail, sequence=event.sequence, sender=event.sender)


def _deferred(before: QueuedMail, event: MailDeferred) -> QueuedMail:
    """Replaces the failures of recipients that were tried again; the others keep theirs."""
    tried = {failure.recipient for failure in event.failures}
    return msgspec.structs.replace(
        before,
        sender=event.sender,
        size=event.size,
        accepted_at=event.accepted_at,
        next_at=event.next_at,
        attempt=event.attempt,
        host=event.host,
        failures=(*(f for f in before.failures if f.recipient not in tried), *event.failures),
    )


def _failed(before: QueuedMail, event: MailBounced | MailExpired) -> QueuedMail:
    after = _without(before, tuple(failure.recipient for failure in event.failures))
    if not event.dsn or any(dsn.dsn == event.dsn for dsn in after.owed):
        return after
    dsn = PendingDsn(
        dsn=event.dsn, failures=event.failures, host=event.host, since=event.at, expired=isinstance(event, MailExpired)
    )
    return msgspec.structs.replace(after, owed=(*after.owed, dsn))


def _without(state: QueuedMail, recipients: tuple[str, ...]) -> QueuedMail:
    final = set(recipients)
    return msgspec.structs.replace(state, failures=tuple(f for f in state.failures if f.recipient not in final))


PROJECTION = ProjectionSpec("queue", FILTERS, apply, QueuedMail, key)
