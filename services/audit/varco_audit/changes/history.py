"""The events that changed an account's settings, and what undoes one of them."""

from contextlib import aclosing
from datetime import UTC, datetime

from varco_audit.changes.account_document import account_document, is_open
from varco_audit.changes.opposite import Versions, opposite
from varco_audit.index.index_fields import index_row
from varco_audit.replay.past_settings import point_in_time, settings_at
from varco_common import events as e
from varco_common.base import subjects
from varco_common.base.errors import NotFound, RefusedCommand, TransientError
from varco_common.bus import Bus, StreamMessage

SETTINGS: tuple[type[e.AccountEvent], ...] = (
    e.AccountOpened,
    e.AccountClosed,
    e.LanguageChosen,
    e.LanguagesChosen,
    e.TimeZoneChosen,
    e.HostsNamed,
    e.CredentialAdded,
    e.CredentialRenamed,
    e.CredentialRemoved,
    e.CredentialDisabled,
    e.CredentialEnabled,
    e.PasswordChanged,
    e.SenderAuthorised,
    e.SenderWithdrawn,
    e.NetworkTrusted,
    e.NetworkWithdrawn,
    e.RulesChanged,
    e.AttachmentsExcepted,
    e.AttachmentExceptionRemoved,
    e.NoticeWritten,
    e.NoticeWithdrawn,
    e.TokenIssued,
    e.TokenRevoked,
    e.RouteSet,
    e.RouteRemoved,
    e.RouteRulesSet,
    e.QuotaSet,
    e.QuotaExcepted,
    e.QuotaExceptionRemoved,
    e.QuotaReset,
    e.FilelinkChosen,
    e.FilelinkWithdrawn,
    e.SendersTold,
    e.MailboxOpened,
    e.MailboxClosed,
    e.ForwardingSet,
    e.ForwardingStopped,
    e.RetentionSet,
    e.SourceChosen,
    e.DomainAdded,
    e.DomainVouched,
    e.DomainRemoved,
)


async def changes(bus: Bus, account: str, *, before: int, limit: int) -> list[StreamMessage]:
    """The newest changes before that sequence, the newest first. All are read: they are few."""
    filters = [kind.subject_filter(subjects.token(account)) for kind in SETTINGS]
    last = await bus.events.last_sequence(*filters)
    if not last:
        return []
    async with aclosing(bus.events.follow_raw(*filters, after=0, last=last)) as raws:
        found = [raw async for raw in raws if raw.own and raw.sequence < before]
    return found[: -limit - 1 : -1]


async def undoing(bus: Bus, account: str, sequence: int) -> dict[str, object]:
    """The patch of the account file that undoes this change.

    Raises NotFound if the event is no change of this account's settings, RefusedCommand if it
    can't be undone.
    """
    raw = await bus.events.get(sequence)
    _, _, service, fact, fields = index_row(raw)
    if fields.account != account or fact not in map(e.fact, SETTINGS):
        raise NotFound(f"event {sequence} is no change of account {account}: see `varco settings history {account}`")
    newest = await bus.events.last_sequence(subjects.event("*", "*", "*"))
    before, after, now = [await _document(bus, account, service, at) for at in (sequence - 1, sequence, newest)]
    patch = opposite(Versions(before, after, now))
    if not patch:
        raise RefusedCommand(f"event {sequence} ({fact}) changed nothing that an account file can bring back")
    return patch


async def _document(bus: Bus, account: str, service: str, sequence: int) -> dict[str, object]:
    """The sections of this service after that event. Raises TransientError if it can't tell."""
    if not sequence:
        raise RefusedCommand("nothing was before the first event")
    settings = await settings_at(bus, account, await point_in_time(bus, sequence), own=True, services=(service,))
    if settings.missing:
        raise TransientError(f"{service} gave no answer: {settings.missing[service]}")
    if service == e.AccountOpened.SERVICE and not is_open(settings.items):
        raise RefusedCommand(f"the account is not open at event {sequence}: `varco accounts` opens and closes accounts")
    return account_document(settings.items, datetime.now(UTC))
