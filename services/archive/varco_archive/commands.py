"""Compares an account's `archive` section with its settings. Each difference is an event. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from varco_archive.account_senders import AccountSenders
from varco_archive.model import DEFAULT_KEEP_SECONDS, CopySettings, ForwardingTarget
from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.events import (
    ArchiveEvent,
    CopySource,
    ForwardingSet,
    ForwardingStopped,
    MailboxClosed,
    MailboxNamed,
    MailboxOpened,
    RetentionSet,
    SendersTold,
    SourceChosen,
)
from varco_common.eventsourcing.commands import Change, CommandContext

STATEMENT_REQUIRED = (
    "senders must be told before their mail is copied: say who told them and when, such as "
    'senders_told: "HR, 2026-11-02"'
)


class DesiredCopies(NamedTuple):
    """`login` is empty without a mailbox; `hash` None keeps the current password."""

    login: str = ""
    hash: str | None = None
    target: ForwardingTarget | None = None
    keep_seconds: int = DEFAULT_KEEP_SECONDS
    statement: str = ""
    source: CopySource = CopySource.GIVEN


def changes(
    settings: CopySettings,
    context: CommandContext,
    desired: DesiredCopies,
    owner: Callable[[str], str | None],
    senders: AccountSenders | None = None,
) -> list[Change]:
    """Returns all differences, the statement about senders first. `owner` maps login to account.

    `senders` are the addresses that bounces of copies may go to; None: any, for operators.
    Raises RefusedCommand.
    """
    _check_return_path(settings, desired, senders)
    return [
        *_statement(settings, context, desired),
        *_source(settings, context, desired),
        *_keep(settings, context, desired),
        *_mailbox(settings, context, desired, owner),
        *_forwarding(settings, context, desired),
    ]


def _check_return_path(settings: CopySettings, desired: DesiredCopies, senders: AccountSenders | None) -> None:
    """A copy is sent as its return path: that is an address of the account, or stays as it was."""
    path = desired.target.return_path if desired.target else ""
    known = settings.target.return_path if settings.target else ""
    if senders is not None and path not in ("", known) and not senders.cover(path):
        raise RefusedCommand(
            f"{path} is no sender of this account: authorise it first, or let an operator set this return path"
        )


def _statement(settings: CopySettings, context: CommandContext, desired: DesiredCopies) -> list[Change]:
    active = bool(desired.login or desired.target)
    current = settings.statement.statement if settings.statement else ""
    if active and not (desired.statement or current):
        raise RefusedCommand(STATEMENT_REQUIRED)
    if not active or desired.statement in ("", current):
        return []
    event = context.event(SendersTold, statement=desired.statement)
    return [_change("senders_told", desired.statement, current, event)]


def _source(settings: CopySettings, context: CommandContext, desired: DesiredCopies) -> list[Change]:
    if desired.source is settings.source:
        return []
    return [_change("copy", desired.source, settings.source, context.event(SourceChosen, source=desired.source))]


def _keep(settings: CopySettings, context: CommandContext, desired: DesiredCopies) -> list[Change]:
    if desired.keep_seconds == settings.keep_seconds:
        return []
    new, old = (
        units.format_duration(units.parse_duration(seconds))
        for seconds in (desired.keep_seconds, settings.keep_seconds)
    )
    change = _change("keep", new, old, context.event(RetentionSet, seconds=desired.keep_seconds))
    shorter = settings.login and desired.login and desired.keep_seconds < settings.keep_seconds
    return [change._replace(destroys=f"the copies that are older than {new}") if shorter else change]


def _mailbox(
    settings: CopySettings, context: CommandContext, desired: DesiredCopies, owner: Callable[[str], str | None]
) -> list[Change]:
    if not desired.login:
        if not settings.login:
            return []
        closed, lost = context.event(MailboxClosed), f"the mailbox {settings.login} with its copies"
        return [Change("remove", "archive", "pop3", settings.login, closed, destroys=lost)]
    if owner(desired.login) not in (None, context.account):
        raise RefusedCommand(f"{desired.login} is the login of another account's mailbox")
    digest = desired.hash or (settings.hash if settings.login == desired.login else "")
    if not digest:
        raise RefusedCommand("a mailbox needs a password, and so does another login")
    if (desired.login, digest) == (settings.login, settings.hash):
        return []
    event = context.event(MailboxOpened, login=desired.login, hash=digest)
    if desired.login == settings.login:
        return [Change("change", "archive", "pop3", "password changed", event)]
    named = context.event(MailboxNamed, login=desired.login)
    return [_change("pop3", desired.login, settings.login, event)._replace(also=named)]


def _forwarding(settings: CopySettings, context: CommandContext, desired: DesiredCopies) -> list[Change]:
    old, new = settings.target, desired.target
    if old == new:
        return []
    if not new:
        assert old
        return [Change("remove", "archive", "forward", describe(old), context.event(ForwardingStopped))]
    event = context.event(ForwardingSet, address=new.address, form=new.form, return_path=new.return_path)
    return [_change("forward", describe(new), describe(old) if old else "", event)]


def describe(target: ForwardingTarget) -> str:
    bounces = f", bounces to {target.return_path}" if target.return_path else ""
    return f"{target.address} ({target.form}{bounces})"


def _change(key: str, new: str, old: str, event: ArchiveEvent) -> Change:
    return Change("change" if old else "add", "archive", key, f"{old} -> {new}" if old else str(new), event)
