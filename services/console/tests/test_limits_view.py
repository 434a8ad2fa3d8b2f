"""An account's quotas as bars, and an exception as ratelimit takes it."""

from datetime import UTC, datetime

import pytest

from varco_common.events import PersonRole
from varco_console.html_pages.limits.view import LimitBar, exception_body, limits_page
from varco_console.model import Person

AT = "2026-11-29T12:00:00Z"
METER = {"meter": "messages", "per": "1 day", "pending": 1, "frees_at": AT}
QUOTAS = {
    "account": "acme",
    "used": [METER | {"of": "account acme", "used": 99, "limit": 100}],
    "quotas": {
        "messages": {"limit": 10, "per": "1 hour"},
        "exceptions": [
            {"sender": "@a.example", "bytes": "unlimited", "until": "2026-12-24T00:00:00+00:00", "reason": "x"}
        ],
    },
}


def page(role: PersonRole = PersonRole.OPERATOR, quotas: dict = QUOTAS, asked=()):
    person = Person(name="anna", role=role, account="" if role.sees_all else "acme", added_at=datetime.now(UTC))
    return limits_page(person, quotas, [], asked)


def test_what_is_pending_counts_and_a_full_limit_says_when_there_is_room():
    (bar,) = page().whole
    assert bar == LimitBar("messages", 100, 100, "1 day", of_account=True, frees_at=AT)
    assert (bar.percent, bar.is_full) == (100, True)


def test_a_limit_with_room_has_no_time_and_a_limit_of_nothing_is_full():
    asked = [
        {"sender": "a@a.example", "exception": "", "meters": [METER | {"of": "a@a.example", "used": 1, "limit": 8}]}
    ]
    assert page(asked=asked).asked.bars == (LimitBar("messages", 2, 8, "1 day", of_account=False),)
    assert LimitBar("messages", 0, 0, "1 day", of_account=True).percent == 100


def test_exceptions_and_limits_are_shown_with_their_end():
    shown = page()
    assert shown.each == (("messages", "10", "1 hour"),)
    assert shown.exceptions[0].limits == (("bytes", "unlimited"),)
    assert shown.exceptions[0].until == datetime(2026, 12, 24, tzinfo=UTC)


def test_an_account_without_quotas_has_no_limits():
    assert not page(quotas={"account": "acme", "used": [], "quotas": None}).has_limits


@pytest.mark.parametrize("role", PersonRole)
def test_operators_alone_except_and_reset(role):
    assert page(role).may_change is (role is PersonRole.OPERATOR)


def test_an_empty_field_keeps_the_limit_of_the_account():
    amounts = {"messages": " 500 ", "recipients": "", "bytes": "5GB", "first_time_recipients": "unlimited"}
    expected = {"messages": 500, "bytes": "5GB", "first_time_recipients": "unlimited"}
    assert exception_body(amounts, "") == expected
    assert exception_body(amounts, "2026-12-24") == expected | {"until": "2026-12-24"}
