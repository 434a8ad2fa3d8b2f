"""The queue: mails that wait for another attempt, and notifications that their senders are owed. Folded from events."""

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

FACTS = (
    "mail-deferred",
    "mail-delivered-later",
    "mail-bounced",
    "mail-expired",
    "mail-dropped",
    "mail-held",
    "mail-released",
    "mail-hurried",
    "sender-notified",
)
FILTERS = tuple(f"events.relay.{fact}.*" for fact in FACTS)


class PendingDsn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notification that isn't written yet. `since` is when the failure became final; `host` is the next hop's name."""

    dsn: str
    failures: tuple[Failure, ...]
    host: str
    since: datetime
    expired: bool = False


class QueuedMail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mail in the queue: the recipients that it wasn't delivered to, with the last answer to each."""

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
        """When there is something to do: a notification to write, or an attempt to make. None: nothing, or held."""
        if self.owed:
            return min(owed.since for owed in self.owed)
        return None if self.held or not self.failures else self.next_at

    def tried_at(self, now: datetime) -> bool:
        """Whether an attempt is due."""
        return bool(self.failures) and not self.held and self.next_at is not None and self.next_at <= now


def key(event: AnyEvent) -> str:
    """The mail's id: a state for each mail."""
    return str(getattr(event, "mail", event.key))


def apply(state: QueuedMail | None, event: AnyEvent) -> QueuedMail | None:
    """The state after the event; None when nothing waits and nothing is owed."""
    match event:
        case MailDeferred():
            after = _deferred(state, event)
        case MailBounced() | MailExpired():
            after = _failed(state or _begun(event), event)
        case _ if state is None:
            return None
        case MailDelivered():
            after = _without(state, event.recipients)
        case MailDropped():
            after = _without(state, event.recipients)
        case MailHeld():
            after = msgspec.structs.replace(state, held=True)
        case MailReleased():
            after = msgspec.structs.replace(state, held=False, next_at=event.at)
        case MailRetryRequested():
            after = msgspec.structs.replace(state, next_at=event.at)
        case SenderNotified():
            after = msgspec.structs.replace(state, owed=tuple(o for o in state.owed if o.dsn != event.dsn))
        case _:
            return state
    return after if after.failures or after.owed else None


def _begun(event: MailDeferred | MailBounced | MailExpired) -> QueuedMail:
    return QueuedMail(account=event.account, mail=event.mail, sequence=event.sequence, sender=event.sender)


def _deferred(state: QueuedMail | None, event: MailDeferred) -> QueuedMail:
    """The failures are replaced for those tried again, and added for those that come from the same mail's other tries."""
    before = state or _begun(event)
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


def _failed(state: QueuedMail, event: MailBounced | MailExpired) -> QueuedMail:
    after = _without(state, [failure.recipient for failure in event.failures])
    if not event.dsn or any(owed.dsn == event.dsn for owed in after.owed):
        return after
    owed = PendingDsn(
        dsn=event.dsn,
        failures=event.failures,
        host=event.host,
        since=event.at,
        expired=isinstance(event, MailExpired),
    )
    return msgspec.structs.replace(after, owed=(*after.owed, owed))


def _without(state: QueuedMail, recipients: tuple[str, ...] | list[str]) -> QueuedMail:
    gone = set(recipients)
    return msgspec.structs.replace(state, failures=tuple(f for f in state.failures if f.recipient not in gone))


FOLD = ProjectionSpec("queue", FILTERS, apply, QueuedMail, key)
