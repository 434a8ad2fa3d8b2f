"""The history of an account: in pages, and undone by those who may."""

from datetime import UTC, datetime

import pytest

from varco_common.events import PersonRole
from varco_console.html_pages.events.view import in_words
from varco_console.html_pages.history.view import PAGE, account_history
from varco_console.model import Person


def change(sequence: int, by: str = "person:anna") -> dict:
    event = {"account": "acme", "by": by, "reason": "a test", "pattern": "@a.example"}
    return {"sequence": sequence, "time": "2026-11-29T12:00:00Z", "fact": "sender-authorised", "event": event}


def person(role: PersonRole) -> Person:
    return Person(name="anna", role=role, account="" if role.sees_all else "acme", added_at=datetime.now(UTC))


def test_each_change_has_who_and_why_and_older_ones_follow():
    changes = [change(PAGE + 1 - number) for number in range(PAGE + 1)]
    shown = account_history(person(PersonRole.OWNER), "acme", changes, {})
    assert (len(shown.changes), shown.before) == (PAGE, 2)
    assert (shown.changes[0].who, shown.changes[0].reason) == ("anna", "a test")
    assert not account_history(person(PersonRole.OWNER), "acme", changes[:PAGE], {}).before


@pytest.mark.parametrize("role", PersonRole)
def test_who_may_change_may_undo(role):
    assert account_history(person(role), "acme", [], {}).may_change is role.may_change


def test_a_filter_finds_changes_by_who_and_leads_on_to_older_ones():
    changes = [change(2000 - number, "person:Carla" if number % 100 == 0 else "person:anna") for number in range(1_000)]
    found = account_history(person(PersonRole.READER), "acme", changes, {}, "carla")
    assert [line.sequence for line in found.changes] == [2000 - number for number in range(0, 1_000, 100)]
    assert found.before == 1001
    assert not account_history(person(PersonRole.READER), "acme", changes[:999], {}, "carla").before
    assert account_history(person(PersonRole.READER), "acme", changes, {}, "a test").before == 1951
    assert not account_history(person(PersonRole.READER), "acme", changes[:9], {}, "nobody").changes


def test_details_are_written_for_people():
    quotas = {"senders": {"messages": {"limit": 15, "per": "1 day"}}, "permanent": False}
    rules = {"attachments": ["pdf", "txt"], "max_size": None, "routes": [{"host": "mx.example"}]}
    assert in_words({"quotas": quotas}) == "quotas: (senders: (messages: (limit: 15, per: 1 day)), permanent: no)"
    assert in_words(rules) == "attachments: [pdf, txt], max_size: -, routes: [(host: mx.example)]"
