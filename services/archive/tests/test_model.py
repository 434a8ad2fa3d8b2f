"""Copy settings folded from events: what is copied where, for a mail accepted at any time."""

from datetime import UTC, datetime, timedelta

import msgspec

from varco_archive.model import DEFAULT_KEEP_SECONDS, MAIL_HORIZON, CopySettings, apply
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

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def opened(at: datetime = AT, login: str = "archive@acme.example") -> MailboxOpened:
    return MailboxOpened(at=at, account="acme", login=login, hash="h")


def forwarding(at: datetime = AT, address: str = "boss@acme.example") -> ForwardingSet:
    return ForwardingSet(at=at, account="acme", address=address, form=CopyForm.PLAIN, return_path="")


def folded(*events: AnyEvent) -> CopySettings:
    settings: CopySettings | None = None
    for event in events:
        settings = apply(settings, event)
    assert settings
    return settings


def test_a_mail_is_copied_if_it_was_accepted_while_the_mailbox_was_open():
    settings = folded(opened(AT), MailboxClosed(at=AT + HOUR, account="acme"), opened(AT + 2 * HOUR))
    assert not settings.mailbox_active_at(AT - HOUR)
    assert settings.mailbox_active_at(AT)
    assert not settings.mailbox_active_at(AT + HOUR), "the end is not part of a period"
    assert settings.mailbox_active_at(AT + 3 * HOUR)


def test_another_login_or_password_does_not_interrupt_the_copies():
    settings = folded(opened(), opened(AT + HOUR, "other@acme.example"))
    assert settings.login == "other@acme.example"
    assert len(settings.periods) == 1


def test_a_mail_goes_to_the_address_that_was_set_when_it_was_accepted():
    settings = folded(
        forwarding(AT, "first@acme.example"),
        forwarding(AT + HOUR, "second@acme.example"),
        ForwardingStopped(at=AT + 2 * HOUR, account="acme"),
    )
    addresses = [target and target.address for target in map(settings.target_at, (AT, AT + HOUR, AT + 2 * HOUR))]
    assert addresses == ["first@acme.example", "second@acme.example", None]
    assert settings.target is None
    assert not settings.active


def test_the_statement_about_senders_ends_with_the_last_way_of_copying():
    told = SendersTold(at=AT, account="acme", by="token:1", statement="HR, 2026-11-02")
    both = folded(told, opened(), forwarding())
    assert both.statement
    assert both.statement.statement == "HR, 2026-11-02"
    only_forwarded = apply(both, MailboxClosed(at=AT + HOUR, account="acme"))
    assert only_forwarded
    assert only_forwarded.statement
    off = apply(only_forwarded, ForwardingStopped(at=AT + HOUR, account="acme"))
    assert off
    assert off.statement is None


def test_a_closed_account_copies_nothing_more_but_its_last_mails_stay_known():
    closed = folded(opened(), forwarding(), AccountClosed(at=AT + HOUR, account="acme"))
    assert (closed.login, closed.hash, closed.active) == ("", "", False)
    assert closed.mailbox_active_at(AT)
    assert closed.target_at(AT)
    assert not closed.mailbox_active_at(AT + HOUR)
    assert apply(None, AccountClosed(at=AT, account="acme")) is None


def test_periods_are_forgotten_once_stream_mail_has_no_mail_of_them():
    late = AT + HOUR + MAIL_HORIZON
    settings = folded(opened(), MailboxClosed(at=AT + HOUR, account="acme"), forwarding(late - HOUR))
    assert len(settings.periods) == 2
    settings = folded(opened(), MailboxClosed(at=AT + HOUR, account="acme"), forwarding(late))
    assert len(settings.periods) == 1


def test_keep_and_source_are_set_without_touching_the_rest():
    before = folded(opened())
    settings = folded(
        opened(),
        RetentionSet(at=AT, account="acme", seconds=3_600),
        SourceChosen(at=AT, account="acme", source=CopySource.SENT),
    )
    assert (before.keep_seconds, before.source) == (DEFAULT_KEEP_SECONDS, CopySource.GIVEN)
    assert (settings.keep_seconds, settings.source) == (3_600, CopySource.SENT)
    assert settings.periods == before.periods


def test_a_snapshot_of_an_earlier_version_is_read():
    """Field names in stored snapshots stay as they were."""
    stored = (
        b'{"account":"acme","login":"archive@acme.example","hash":"h",'
        b'"told":{"statement":"HR","by":"token:1","at":"2026-11-02T09:00:00Z"},'
        b'"spans":[{"since":"2026-11-02T09:00:00Z"}]}'
    )
    settings = msgspec.json.decode(stored, type=CopySettings)
    assert settings.statement
    assert settings.statement.statement == "HR"
    assert settings.mailbox_active_at(AT)
    assert msgspec.json.decode(msgspec.json.encode(settings)) == msgspec.json.decode(stored)
