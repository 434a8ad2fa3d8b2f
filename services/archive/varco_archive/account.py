"""How one account's mail is copied, folded from its events: what holds now, and what held when. Pure."""

from datetime import datetime, timedelta

import msgspec

from varco_common.events import (
    AccountClosed,
    AnyEvent,
    CopyForm,
    CopySource,
    ForwardingSet,
    ForwardingStopped,
    MailboxClosed,
    MailboxOpened,
    RetentionSet,
    SendersTold,
    SourceChosen,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

KEEP_SECONDS = 7 * 86_400
REMEMBERED = timedelta(days=60)  # what held before that concerns no mail that stream MAIL still has
SETTINGS = (
    "senders-told",
    "mailbox-opened",
    "mailbox-closed",
    "forwarding-set",
    "forwarding-stopped",
    "retention-set",
    "source-chosen",
)
FILTERS = (*(f"events.archive.{fact}.*" for fact in SETTINGS), "events.policy.account-closed.*")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Who vouched that the senders know, when, and in which words."""

    statement: str
    by: str
    at: datetime


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where copies are forwarded, and how."""

    address: str
    form: CopyForm = CopyForm.PLAIN
    return_path: str = ""


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Mails accepted in [since, until) are copied: to `target`, or to the mailbox where it is None."""

    since: datetime
    until: datetime | None = None
    target: Target | None = None

    def covers(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


class Archive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account. `login` is empty without a mailbox; `hash` is its password's, in PHC form."""

    account: str
    login: str = ""
    hash: str = ""
    told: Told | None = None
    keep_seconds: int = KEEP_SECONDS
    source: CopySource = CopySource.GIVEN
    spans: tuple[Span, ...] = ()

    @property
    def target(self) -> Target | None:
        """Where copies are forwarded now."""
        return next((span.target for span in self.spans if span.target and span.until is None), None)

    @property
    def on(self) -> bool:
        return bool(self.login or self.target)

    def boxed_at(self, at: datetime) -> bool:
        """Whether a mail accepted then is copied to the mailbox."""
        return any(span.target is None and span.covers(at) for span in self.spans)

    def target_at(self, at: datetime) -> Target | None:
        """Where a mail accepted then is forwarded."""
        return next((span.target for span in self.spans if span.target and span.covers(at)), None)


def apply(state: Archive | None, event: AnyEvent) -> Archive | None:
    """The state after the event. A closed account's is kept as far as its last mails need it."""
    match event:
        case AccountClosed():
            return _without_forwarding(_without_mailbox(state, event.at), event.at) if state else None
        case (
            SendersTold()
            | MailboxOpened()
            | MailboxClosed()
            | ForwardingSet()
            | ForwardingStopped()
            | RetentionSet()
            | SourceChosen()
        ):
            return _changed(state or Archive(account=event.account), event)
        case _:
            return state


def _changed(  # noqa: PLR0911 - one arm a fact
    state: Archive,
    event: SendersTold
    | MailboxOpened
    | MailboxClosed
    | ForwardingSet
    | ForwardingStopped
    | RetentionSet
    | SourceChosen,
) -> Archive:
    match event:
        case SendersTold():
            told = Told(statement=event.statement, by=event.by, at=event.at)
            return msgspec.structs.replace(state, told=told)
        case MailboxOpened():
            return _with_mailbox(state, event)
        case MailboxClosed():
            return _without_mailbox(state, event.at)
        case ForwardingSet():
            target = Target(address=event.address, form=event.form, return_path=event.return_path)
            return _begun(_ended(state, event.at, forwarding=True), Span(since=event.at, target=target))
        case ForwardingStopped():
            return _without_forwarding(state, event.at)
        case RetentionSet():
            return msgspec.structs.replace(state, keep_seconds=event.seconds)
        case SourceChosen():
            return msgspec.structs.replace(state, source=event.source)


def _with_mailbox(state: Archive, event: MailboxOpened) -> Archive:
    opened = state if state.login else _begun(state, Span(since=event.at))
    return msgspec.structs.replace(opened, login=event.login, hash=event.hash)


def _without_mailbox(state: Archive, at: datetime) -> Archive:
    return _told_anew(msgspec.structs.replace(_ended(state, at, forwarding=False), login="", hash=""))


def _without_forwarding(state: Archive, at: datetime) -> Archive:
    return _told_anew(_ended(state, at, forwarding=True))


def _told_anew(state: Archive) -> Archive:
    """Who turns copies on again must vouch again."""
    return state if state.on else msgspec.structs.replace(state, told=None)


def _begun(state: Archive, span: Span) -> Archive:
    return msgspec.structs.replace(state, spans=(*state.spans, span))


def _ended(state: Archive, at: datetime, *, forwarding: bool) -> Archive:
    spans = [
        msgspec.structs.replace(span, until=at) if span.until is None and bool(span.target) is forwarding else span
        for span in state.spans
    ]
    recent = tuple(span for span in spans if span.until is None or at - span.until < REMEMBERED)
    return msgspec.structs.replace(state, spans=recent)


FOLD = ProjectionSpec("archives", FILTERS, apply, Archive)
