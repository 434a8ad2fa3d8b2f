"""Commands of people are decided on the newest state, as often as that takes."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from varco_banguard import ban_settings, commands, model
from varco_banguard.unban_decisions import Attribution
from varco_common.base.errors import NotFound
from varco_common.events import BanRules, HostBanned, Strike, StrikeCause
from varco_common.eventsourcing.commands import CommandContext

T0 = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HOST = "192.0.2.7"
BY_HAND = Attribution(T0, "token:x", "scans")
CONTEXT = CommandContext("gate", T0, "token:x", "the office")


def banned(by: str, count: int = 1) -> model.Host:
    strike = Strike(sequence=1, at=T0, cause=StrikeCause.BROKEN_OFF, host=HOST)
    host = model.apply(
        None, HostBanned(at=T0 - timedelta(hours=1), by=by, network=HOST, until=None, count=count, strikes=(strike,))
    )
    assert host
    return host


def test_a_ban_that_lost_a_race_is_decided_again_until_it_is_stored():
    """The first append met another event of the host; asked again, the decision is the same."""
    first = commands.ban(None, HOST, None, BanRules(), BY_HAND)
    again = commands.ban(banned("banguard"), HOST, None, BanRules(), BY_HAND)
    assert first
    assert again
    assert commands.ban(model.apply(banned("banguard"), again), HOST, None, BanRules(), BY_HAND) is None


def test_a_ban_that_replaces_another_keeps_its_count_and_its_evidence():
    replaced = commands.ban(banned("banguard", count=3), HOST, "1h", BanRules(), BY_HAND)
    assert replaced
    assert (replaced.count, replaced.until, len(replaced.strikes)) == (3, T0 + timedelta(hours=1), 1)


def test_a_network_is_ignored_once_and_unignored_once():
    [change] = commands.ignore(None, CONTEXT, "192.0.2.0/28", "")
    settings = ban_settings.apply(None, change.event)
    assert commands.ignore(settings, CONTEXT, "192.0.2.0/28", "") == []
    assert [change.line for change in commands.ignore(settings, CONTEXT, "192.0.2.0/28", "acme")] == [
        "+ ignored network 192.0.2.0/28 acme"
    ]
    [removed] = commands.unignore(settings, CONTEXT, "192.0.2.0/28", "")
    with pytest.raises(NotFound):
        commands.unignore(ban_settings.apply(settings, removed.event), CONTEXT, "192.0.2.0/28", "")


def test_rules_that_are_so_already_change_nothing():
    [change] = commands.change_rules(None, CONTEXT, {"maxretry": 5})
    settings = ban_settings.apply(None, change.event)
    assert settings.rules == replace(BanRules(), maxretry=5)
    assert commands.change_rules(settings, CONTEXT, {"maxretry": "5"}) == []
