"""How one account's mail is copied: now, and when each of its mails was accepted.

Folded from events. Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

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

DEFAULT_KEEP_SECONDS = 7 * 86_400
MAIL_HORIZON = timedelta(days=60)  # stream MAIL keeps no mail that is older
SettingsEvent = (
    SendersTold | MailboxOpened | MailboxClosed | ForwardingSet | ForwardingStopped | RetentionSet | SourceChosen
)
FILTERS = tuple(event.subject_filter() for event in (*SettingsEvent.__args__, AccountClosed))


@dataclass(frozen=True, kw_only=True)
class SendersStatement:
    """Who vouched that the senders know of the copies, when, and in which words."""

    statement: str
    by: str
    at: datetime


class ForwardingTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where copies are forwarded, and how."""

    address: str
    form: CopyForm = CopyForm.PLAIN
    return_path: str = ""


class CopyPeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Mails accepted in [since, until) are copied to `target`; None is the mailbox."""

    since: datetime
    until: datetime | None = None
    target: ForwardingTarget | None = None

    def covers(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


class CopySettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"statement": "told", "periods": "spans"},  # the names in stored snapshots
):
    """One account. `login` is empty without a mailbox; `hash` is its password's, in PHC form."""

    account: str
    login: str = ""
    hash: str = ""
    statement: SendersStatement | None = None
    keep_seconds: int = DEFAULT_KEEP_SECONDS
    source: CopySource = CopySource.GIVEN
    periods: tuple[CopyPeriod, ...] = ()

    @property
    def target(self) -> ForwardingTarget | None:
        """Where copies are forwarded now."""
        return next((period.target for period in self.periods if period.target and period.until is None), None)

    @property
    def active(self) -> bool:
        """Whether mails are copied now, in either way."""
        return bool(self.login or self.target)

    def mailbox_active_at(self, at: datetime) -> bool:
        """Whether a mail accepted then is copied to the mailbox."""
        return any(period.target is None and period.covers(at) for period in self.periods)

    def target_at(self, at: datetime) -> ForwardingTarget | None:
        """Where a mail accepted then is forwarded."""
        return next((period.target for period in self.periods if period.target and period.covers(at)), None)


def apply(settings: CopySettings | None, event: AnyEvent) -> CopySettings | None:
    """The settings after the event. Those of a closed account stay for its last mails."""
    if isinstance(event, AccountClosed):
        forwarding_stopped = settings and _stopped(settings, event.at, forwarding=True)
        return _stopped(forwarding_stopped, event.at, forwarding=False) if forwarding_stopped else None
    if isinstance(event, SettingsEvent):
        return _changed(settings or CopySettings(account=event.account), event)
    return settings


def _changed(settings: CopySettings, event: SettingsEvent) -> CopySettings:  # noqa: PLR0911
    match event:
        case SendersTold():
            statement = SendersStatement(statement=event.statement, by=event.by, at=event.at)
            return replace(settings, statement=statement)
        case MailboxOpened():
            opened = settings if settings.login else _begin(settings, CopyPeriod(since=event.at))
            return replace(opened, login=event.login, hash=event.hash)
        case MailboxClosed():
            return _stopped(settings, event.at, forwarding=False)
        case ForwardingSet():
            target = ForwardingTarget(address=event.address, form=event.form, return_path=event.return_path)
            ended = _end(settings, event.at, forwarding=True)
            return _begin(ended, CopyPeriod(since=event.at, target=target))
        case ForwardingStopped():
            return _stopped(settings, event.at, forwarding=True)
        case RetentionSet():
            return replace(settings, keep_seconds=event.seconds)
        case SourceChosen():
            return replace(settings, source=event.source)


def _stopped(settings: CopySettings, at: datetime, *, forwarding: bool) -> CopySettings:
    """A statement holds while mails are copied. To turn copies on again takes a new one."""
    ended = _end(settings, at, forwarding=forwarding)
    ended = ended if forwarding else replace(ended, login="", hash="")
    return ended if ended.active else replace(ended, statement=None)


def _begin(settings: CopySettings, period: CopyPeriod) -> CopySettings:
    return replace(settings, periods=(*settings.periods, period))


def _end(settings: CopySettings, at: datetime, *, forwarding: bool) -> CopySettings:
    """Ends the open period of one kind, and forgets those that ended before the horizon."""
    periods = [
        replace(period, until=at) if period.until is None and bool(period.target) is forwarding else period
        for period in settings.periods
    ]
    recent = tuple(period for period in periods if period.until is None or at - period.until < MAIL_HORIZON)
    return replace(settings, periods=recent)


PROJECTION = ProjectionSpec("archives", FILTERS, apply, CopySettings, settings=SettingsEvent.__args__)
