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
MAIL_HORIZON = timedelta(days=60)  # what held before that concerns no mail that stream MAIL still has
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


class SendersStatement(msgspec.Struct, frozen=True, kw_only=True):
    """Who vouched that the senders know, when, and in which words."""

    statement: str
    by: str
    at: datetime


class ForwardingTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where copies are forwarded, and how."""

    address: str
    form: CopyForm = CopyForm.PLAIN
    return_path: str = ""


class CopyPeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Mails accepted in [since, until) are copied: to `target`, or to the mailbox where it is None."""

    since: datetime
    until: datetime | None = None
    target: ForwardingTarget | None = None

    def covers(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


class CopySettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account. `login` is empty without a mailbox; `hash` is its password's, in PHC form."""

    account: str
    login: str = ""
    hash: str = ""
    told: SendersStatement | None = None
    keep_seconds: int = KEEP_SECONDS
    source: CopySource = CopySource.GIVEN
    spans: tuple[CopyPeriod, ...] = ()

    @property
    def target(self) -> ForwardingTarget | None:
        """Where copies are forwarded now."""
        return next((span.target for span in self.spans if span.target and span.until is None), None)

    @property
    def on(self) -> bool:
        return bool(self.login or self.target)

    def mailbox_active_at(self, at: datetime) -> bool:
        """Whether a mail accepted then is copied to the mailbox."""
        return any(span.target is None and span.covers(at) for span in self.spans)

    def target_at(self, at: datetime) -> ForwardingTarget | None:
        """Where a mail accepted then is forwarded."""
        return next((span.target for span in self.spans if span.target and span.covers(at)), None)


def apply(state: CopySettings | None, event: AnyEvent) -> CopySettings | None:
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
            return _changed(state or CopySettings(account=event.account), event)
        case _:
            return state


def _changed(  # noqa: PLR0911 - one arm a fact
    state: CopySettings,
    event: SendersTold
    | MailboxOpened
    | MailboxClosed
    | ForwardingSet
    | ForwardingStopped
    | RetentionSet
    | SourceChosen,
) -> CopySettings:
    match event:
        case SendersTold():
            told = SendersStatement(statement=event.statement, by=event.by, at=event.at)
            return msgspec.structs.replace(state, told=told)
        case MailboxOpened():
            return _with_mailbox(state, event)
        case MailboxClosed():
            return _without_mailbox(state, event.at)
        case ForwardingSet():
            target = ForwardingTarget(address=event.address, form=event.form, return_path=event.return_path)
            return _begun(_ended(state, event.at, forwarding=True), CopyPeriod(since=event.at, target=target))
        case ForwardingStopped():
            return _without_forwarding(state, event.at)
        case RetentionSet():
            return msgspec.structs.replace(state, keep_seconds=event.seconds)
        case SourceChosen():
            return msgspec.structs.replace(state, source=event.source)


def _with_mailbox(state: CopySettings, event: MailboxOpened) -> CopySettings:
    opened = state if state.login else _begun(state, CopyPeriod(since=event.at))
    return msgspec.structs.replace(opened, login=event.login, hash=event.hash)


def _without_mailbox(state: CopySettings, at: datetime) -> CopySettings:
    return _told_anew(msgspec.structs.replace(_ended(state, at, forwarding=False), login="", hash=""))


def _without_forwarding(state: CopySettings, at: datetime) -> CopySettings:
    return _told_anew(_ended(state, at, forwarding=True))


def _told_anew(state: CopySettings) -> CopySettings:
    """Who turns copies on again must vouch again."""
    return state if state.on else msgspec.structs.replace(state, told=None)


def _begun(state: CopySettings, span: CopyPeriod) -> CopySettings:
    return msgspec.structs.replace(state, spans=(*state.spans, span))


def _ended(state: CopySettings, at: datetime, *, forwarding: bool) -> CopySettings:
    spans = [
        msgspec.structs.replace(span, until=at) if span.until is None and bool(span.target) is forwarding else span
        for span in state.spans
    ]
    recent = tuple(span for span in spans if span.until is None or at - span.until < MAIL_HORIZON)
    return msgspec.structs.replace(state, spans=recent)


PROJECTION = ProjectionSpec("archives", FILTERS, apply, CopySettings)
