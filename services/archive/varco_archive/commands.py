"""What an account file wants of the archive against what holds: each difference is a fact to append and a line. Pure."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from varco_archive.model import KEEP_SECONDS, CopySettings, ForwardingTarget
from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.events import (
    ArchiveEvent,
    CopySource,
    ForwardingSet,
    ForwardingStopped,
    MailboxClosed,
    MailboxOpened,
    RetentionSet,
    SendersTold,
    SourceChosen,
)

E = TypeVar("E", bound=ArchiveEvent)
Op = Literal["add", "remove", "change"]
_SIGNS: dict[Op, str] = {"add": "+", "remove": "-", "change": "~"}
STATEMENT_REQUIRED = (
    "senders must be told before their mail is copied: say who told them and when, such as "
    'senders_told: "HR, 2026-11-02"'
)


class Change(NamedTuple):
    """One difference: `key` says of what, `line` is for people, `event` is the fact that makes it so."""

    op: Op
    section: str
    key: str
    detail: str
    event: ArchiveEvent

    @property
    def line(self) -> str:
        return " ".join(filter(None, (_SIGNS[self.op], self.section, self.key, self.detail)))


class CommandOrigin(NamedTuple):
    """Who asks for a change of which account, when and why."""

    account: str
    at: datetime
    by: str
    reason: str = ""

    def fact(self, kind: type[E], **fields: Any) -> E:
        return kind(account=self.account, at=self.at, by=self.by, reason=self.reason, **fields)


class DesiredCopies(NamedTuple):
    """The section as a file has it. `login` is empty without a mailbox; `hash` None keeps the password that is there."""

    login: str = ""
    hash: str | None = None
    target: ForwardingTarget | None = None
    keep_seconds: int = KEEP_SECONDS
    told: str = ""
    source: CopySource = CopySource.GIVEN


def changes(
    state: CopySettings, said: CommandOrigin, wish: DesiredCopies, owner: Callable[[str], str | None]
) -> list[Change]:
    """All differences, the promise about senders first. `owner` says whose a login is. Raises RefusedCommand."""
    return [
        *_told(state, said, wish),
        *_source(state, said, wish),
        *_kept(state, said, wish),
        *_mailbox(state, said, wish, owner),
        *_forwarding(state, said, wish),
    ]


def _told(state: CopySettings, said: CommandOrigin, wish: DesiredCopies) -> list[Change]:
    wanted = bool(wish.login or wish.target)
    known = state.told.statement if state.told else ""
    if wanted and not (wish.told or known):
        raise RefusedCommand(STATEMENT_REQUIRED)
    if not wanted or not wish.told or wish.told == known:
        return []
    return [_change("senders_told", wish.told, known, said.fact(SendersTold, statement=wish.told))]


def _source(state: CopySettings, said: CommandOrigin, wish: DesiredCopies) -> list[Change]:
    if wish.source is state.source:
        return []
    return [_change("copy", wish.source, state.source, said.fact(SourceChosen, source=wish.source))]


def _kept(state: CopySettings, said: CommandOrigin, wish: DesiredCopies) -> list[Change]:
    if wish.keep_seconds == state.keep_seconds:
        return []
    now, then = (units.format_duration(units.parse_duration(s)) for s in (wish.keep_seconds, state.keep_seconds))
    return [_change("keep", now, then, said.fact(RetentionSet, seconds=wish.keep_seconds))]


def _mailbox(
    state: CopySettings, said: CommandOrigin, wish: DesiredCopies, owner: Callable[[str], str | None]
) -> list[Change]:
    if not wish.login:
        if not state.login:
            return []
        return [Change("remove", "archive", "pop3", f"{state.login}, with its copies", said.fact(MailboxClosed))]
    if owner(wish.login) not in (None, said.account):
        raise RefusedCommand(f"{wish.login} is the login of another account's mailbox")
    digest = wish.hash or (state.hash if state.login == wish.login else "")
    if not digest:
        raise RefusedCommand("a mailbox needs a password, and so does another login")
    if (wish.login, digest) == (state.login, state.hash):
        return []
    event = said.fact(MailboxOpened, login=wish.login, hash=digest)
    if wish.login == state.login:
        return [Change("change", "archive", "pop3", "password changed", event)]
    return [_change("pop3", wish.login, state.login, event)]


def _forwarding(state: CopySettings, said: CommandOrigin, wish: DesiredCopies) -> list[Change]:
    now, wanted = state.target, wish.target
    if now == wanted:
        return []
    if not wanted:
        assert now
        return [Change("remove", "archive", "forward", describe(now), said.fact(ForwardingStopped))]
    event = said.fact(ForwardingSet, address=wanted.address, form=wanted.form, return_path=wanted.return_path)
    return [_change("forward", describe(wanted), describe(now) if now else "", event)]


def describe(target: ForwardingTarget) -> str:
    back = f", bounces to {target.return_path}" if target.return_path else ""
    return f"{target.address} ({target.form}{back})"


def _change(key: str, wanted: str, now: str, event: ArchiveEvent) -> Change:
    return Change("change" if now else "add", "archive", key, f"{now} -> {wanted}" if now else str(wanted), event)
