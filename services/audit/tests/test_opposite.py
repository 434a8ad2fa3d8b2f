"""The opposite of a change brings back what it replaced, and nothing else."""

from typing import Any

import pytest

from varco_audit.changes.opposite import Versions, opposite
from varco_common.base.errors import RefusedCommand
from varco_common.base.merge_patch import merged

ALICE, BOB = {"login": "alice", "name": "A"}, {"login": "bob", "name": ""}


def undone(before: dict[str, Any], after: dict[str, Any], now: dict[str, Any]) -> Any:
    return merged(now, opposite(Versions(before, after, now)))


def test_a_change_without_effect_has_no_opposite() -> None:
    assert opposite(Versions({"rules": {}}, {"rules": {}}, {"rules": {"max_size": "1MB"}})) == {}


def test_only_what_was_changed_is_brought_back() -> None:
    before = {"rules": {"max_size": "20MB", "max_recipients": 100}}
    after = {"rules": {"max_size": "30MB", "max_recipients": 100}}
    now = {"rules": {"max_size": "30MB", "max_recipients": 50}, "senders": ["@acme.example"]}
    expected = {"rules": {"max_size": "20MB", "max_recipients": 50}, "senders": ["@acme.example"]}
    assert undone(before, after, now) == expected


def test_what_was_added_goes_and_later_entries_stay() -> None:
    now = {"senders": ["a", "b", "c"]}
    assert undone({"senders": ["a"]}, {"senders": ["a", "b"]}, now) == {"senders": ["a", "c"]}


def test_what_was_removed_comes_back_beside_later_entries() -> None:
    assert undone({"senders": ["a", "b"]}, {"senders": ["a"]}, {"senders": ["a", "c"]}) == {"senders": ["a", "c", "b"]}


def test_a_changed_entry_of_a_list_is_told_by_its_name() -> None:
    renamed = ALICE | {"name": "Alice"}
    assert undone({"users": [ALICE]}, {"users": [renamed]}, {"users": [renamed, BOB]}) == {"users": [ALICE, BOB]}


def test_routes_by_mail_come_back_as_one_list_in_their_order() -> None:
    """Two rules may have the same login, and the first that covers a mail holds."""
    one = {"recipients": ["@a.example"], "smarthost": "mx:25", "login": "gate"}
    other = {"recipients": ["@.example"], "smarthost": "mx:25", "login": "gate"}
    changed = {"routes": [other]}
    assert undone({"routes": [one, other]}, changed, changed) == {"routes": [one, other]}
    assert undone({"routes": None}, changed, changed) == {}
    with pytest.raises(RefusedCommand, match="routes has been changed again"):
        opposite(Versions({"routes": [one, other]}, changed, {"routes": [one]}))


def test_a_key_that_was_new_is_removed_again() -> None:
    assert undone({"quotas": {}}, {"quotas": {"messages": 5}}, {"quotas": {"messages": 5}}) == {"quotas": {}}
    both = {"quotas": {"messages": 5, "recipients": 9}}
    assert undone({"quotas": {"recipients": 9}}, both, both) == {"quotas": {"recipients": 9}}


@pytest.mark.parametrize(
    ("before", "after", "now", "named"),
    [
        ({"rules": {"a": 1, "b": 1}}, {"rules": {"a": 2, "b": 1}}, {"rules": {"a": 3, "b": 1}}, "rules.a"),
        ({"users": [ALICE]}, {"users": [ALICE | {"name": "B"}]}, {"users": [ALICE | {"name": "C"}]}, "users.alice"),
        ({"route": "blackhole"}, {"route": {"smarthost": "a"}}, {"route": {"smarthost": "b"}}, "route"),
    ],
)
def test_what_was_changed_again_is_refused_and_named(
    before: dict[str, Any], after: dict[str, Any], now: dict[str, Any], named: str
) -> None:
    with pytest.raises(RefusedCommand, match=f"^{named} has been changed again"):
        opposite(Versions(before, after, now))


def test_a_removed_login_needs_a_new_password() -> None:
    with pytest.raises(RefusedCommand, match="password of bob"):
        opposite(Versions({"users": [ALICE, BOB]}, {"users": [ALICE]}, {"users": [ALICE]}))


def test_an_order_that_has_a_meaning_is_brought_back() -> None:
    first, second = {"senders": ["a"], "route": "mx"}, {"recipients": ["b"], "route": "blackhole"}
    for section, before in (("routes", [first, second]), ("language", ["it", "en"])):
        after = before[::-1]
        assert undone({section: before}, {section: after}, {section: after}) == {section: before}
        with pytest.raises(RefusedCommand, match="undo the later change first"):
            undone({section: before}, {section: after}, {section: after[:1]})
