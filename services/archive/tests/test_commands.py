"""An account file's section against the settings: lines, events and refusals."""

from datetime import UTC, datetime

import pytest

from varco_archive.commands import DesiredCopies, changes
from varco_archive.model import CopySettings, ForwardingTarget, apply
from varco_common.base.errors import RefusedCommand
from varco_common.events import CopyForm, CopySource, MailboxClosed, MailboxOpened, SendersTold
from varco_common.eventsourcing.commands import CommandContext

CONTEXT = CommandContext("acme", datetime(2026, 11, 2, 9, tzinfo=UTC), "token:1", "asked for")
BOSS = ForwardingTarget(address="boss@acme.example")
MAILBOX = DesiredCopies(login="archive@acme.example", hash="h1", statement="HR, 2026-11-02")


def after(*steps: DesiredCopies) -> CopySettings:
    """The settings once these sections were applied."""
    settings = CopySettings(account="acme")
    for desired in steps:
        for change in changes(settings, CONTEXT, desired, nobody):
            changed = apply(settings, change.event)
            assert changed
            settings = changed
    return settings


def nobody(_: str) -> str | None:
    """No login is taken."""
    return None


def lines(settings: CopySettings, desired: DesiredCopies) -> list[str]:
    return [change.line for change in changes(settings, CONTEXT, desired, nobody)]


def test_what_is_applied_twice_changes_nothing_the_second_time():
    desired = MAILBOX._replace(target=BOSS, keep_seconds=3_600, source=CopySource.SENT)
    assert lines(CopySettings(account="acme"), desired) == [
        "+ archive senders_told HR, 2026-11-02",
        "~ archive copy given -> sent",
        "~ archive keep 1 week -> 1 hour",
        "+ archive pop3 archive@acme.example",
        "+ archive forward boss@acme.example (plain)",
    ]
    assert lines(after(desired), desired) == []


def test_events_carry_who_and_why():
    told, opened = changes(CopySettings(account="acme"), CONTEXT, MAILBOX, nobody)
    assert isinstance(told.event, SendersTold)
    assert isinstance(opened.event, MailboxOpened)
    for event in (told.event, opened.event):
        assert (event.account, event.at, event.by, event.reason) == CONTEXT


@pytest.mark.parametrize("desired", [MAILBOX._replace(statement=""), DesiredCopies(target=BOSS)])
def test_copies_need_a_statement_about_the_senders(desired):
    with pytest.raises(RefusedCommand, match="senders must be told"):
        changes(CopySettings(account="acme"), CONTEXT, desired, nobody)


def test_a_statement_is_kept_until_another_one_is_made():
    settings = after(MAILBOX)
    assert lines(settings, MAILBOX._replace(statement="")) == []
    assert lines(settings, MAILBOX._replace(statement="CEO, 2026-11-09")) == [
        "~ archive senders_told HR, 2026-11-02 -> CEO, 2026-11-09"
    ]


def test_without_a_password_the_current_one_stays_but_a_new_mailbox_needs_one():
    settings = after(MAILBOX)
    assert lines(settings, MAILBOX._replace(hash=None)) == []
    assert lines(settings, MAILBOX._replace(hash="h2")) == ["~ archive pop3 password changed"]
    for desired in (MAILBOX._replace(hash=None), MAILBOX._replace(login="other@acme.example", hash=None)):
        with pytest.raises(RefusedCommand, match="a mailbox needs a password"):
            changes(CopySettings(account="acme"), CONTEXT, desired, nobody)


def test_the_login_of_another_accounts_mailbox_is_refused():
    with pytest.raises(RefusedCommand, match="another account's mailbox"):
        changes(CopySettings(account="acme"), CONTEXT, MAILBOX, {MAILBOX.login: "other"}.get)
    assert changes(after(MAILBOX), CONTEXT, MAILBOX, {MAILBOX.login: "acme"}.get) == []


def test_turning_it_off_closes_the_mailbox_and_stops_forwarding():
    settings = after(MAILBOX._replace(target=BOSS))
    off = DesiredCopies(keep_seconds=settings.keep_seconds, source=settings.source)
    assert lines(settings, off) == [
        "- archive pop3 archive@acme.example (destroys the mailbox archive@acme.example with its copies)",
        "- archive forward boss@acme.example (plain)",
    ]
    assert isinstance(changes(settings, CONTEXT, off, nobody)[0].event, MailboxClosed)
    assert not after(MAILBOX._replace(target=BOSS), off).active


def test_a_target_is_described_with_its_form_and_return_path():
    journal = ForwardingTarget(address="boss@acme.example", form=CopyForm.JOURNAL, return_path="b@acme.example")
    assert lines(after(MAILBOX._replace(target=BOSS)), MAILBOX._replace(target=journal)) == [
        "~ archive forward boss@acme.example (plain) -> boss@acme.example (journal, bounces to b@acme.example)"
    ]
