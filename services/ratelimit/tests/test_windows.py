"""Windows, and running sums in them."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import (
    Window,
)
from varco_ratelimit import quota_windows
from varco_ratelimit.quota_windows import HOUR
from varco_ratelimit.window_counter import WindowCounter

from .counters_of_one_account import NOW, at


@given(
    st.sampled_from(Window),
    st.sampled_from(["UTC", "Europe/Rome", "America/Havana", "Asia/Beirut"]),
    st.integers(0, 10**7),
)
def test_a_mail_counts_until_it_frees_and_no_longer(window, zone, minutes):
    stored = NOW - minutes * 60_000
    free = quota_windows.frees(window, zone, stored)
    assert stored >= quota_windows.since(window, zone, stored)
    assert stored >= quota_windows.since(window, zone, free - 1)
    assert stored < quota_windows.since(window, zone, free)
    assert free - stored <= quota_windows.LONGEST


def test_a_calendar_day_has_as_many_hours_as_the_clocks_give_it():
    for day, hours in (((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 24), 24)):
        noon = at("Europe/Rome", *day, 12)
        begins = quota_windows.since(Window.CALENDAR_DAY, "Europe/Rome", noon)
        assert begins == at("Europe/Rome", *day)
        assert quota_windows.frees(Window.CALENDAR_DAY, "Europe/Rome", noon) - begins == hours * HOUR


def test_a_midnight_that_is_jumped_over_is_the_jump():
    noon = at("America/Havana", 2026, 3, 8, 12)  # 00:00 becomes 01:00
    begins = quota_windows.since(Window.CALENDAR_DAY, "America/Havana", noon)
    assert datetime.fromtimestamp(begins / 1000, ZoneInfo("America/Havana")).hour == 1
    assert quota_windows.since(Window.CALENDAR_DAY, "America/Havana", begins - 1) < begins


def test_when_the_next_mail_is_allowed_is_never_shown_too_early():
    assert quota_windows.local_time("Europe/Rome", NOW + 1) == "2026-11-24 11:00:01 +0100"
    assert quota_windows.local_time("UTC", NOW) == "2026-11-24 10:00:00 +0000"


mails = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9), st.integers(0, 9)), max_size=60)


@given(mails, st.integers(-5, 60), st.integers(-5, 60), st.integers(0, 80))
def test_running_sums_say_what_counting_says(steps, since, forgotten, most):
    usage, counted, clock = WindowCounter(), [], 0
    for step, (pause, recipients, size) in enumerate(steps):
        clock += pause % 4
        usage.add(clock, step, (1, recipients, size, 0))
        counted.append((clock, step, (1, recipients, size, 0)))
    assert usage.forget(forgotten) is not any(one[0] >= forgotten for one in counted)
    kept = [one for one in counted if one[0] >= max(since, forgotten)]
    since = max(since, forgotten)
    assert [*usage.mails(since)] == kept[::-1]
    for place in range(3):
        used = sum(one[2][place] for one in kept)
        assert usage.used(place, since) == used
        room = usage.room_from(place, since, most)
        if used <= most:
            assert room is None
        else:
            after = [one for one in kept if one[0] > room]
            assert sum(one[2][place] for one in after) <= most
            assert any(one[0] == room for one in kept)


def test_an_account_total_is_kept_by_the_minute_and_counts_as_long_as_its_newest_mail():
    usage = WindowCounter()
    for second in range(600):
        usage.add(second * 1000, second, (1, 2, 3, 0), merge=60_000)
    assert len(usage) == 10
    assert usage.used(1, 0) == 1200
    assert usage.used(0, 60_000) == 540
    assert usage.used(0, 30_000) == 600


@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome"])
def test_every_window_is_within_what_is_kept(zone):
    for window in Window:
        assert NOW - quota_windows.since(window, zone, NOW) < quota_windows.LONGEST
