"""The delays between attempts."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from varco_relay.decide.retry_schedule import Backoff, RetrySchedule

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_grow_to_their_longest_with_jitter(attempt, random):
    schedule = RetrySchedule()
    delay = schedule.next_attempt(NOW, attempt, random) - NOW
    plain = min(schedule.first * 2 ** min(attempt - 1, 20), schedule.longest)
    assert plain * 0.8 <= delay <= plain * 1.2


def test_five_days_hold_some_sixty_attempts():
    at, attempt = NOW, 0
    while at - NOW < timedelta(days=5):
        attempt += 1
        at = RetrySchedule().next_attempt(at, attempt, 0.5)
    assert 50 <= attempt <= 80


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_backoff_is_bounded(failures, random):
    backoff = Backoff(first=timedelta(seconds=2), longest=timedelta(minutes=5))
    assert timedelta(seconds=1.6) <= backoff.delay(failures, random) <= timedelta(minutes=6)


def test_the_second_attempt_comes_after_the_first_delay_and_the_next_ones_double():
    schedule = RetrySchedule(jitter=0.0)
    delays = [schedule.next_attempt(NOW, attempt, 0.5) - NOW for attempt in range(1, 8)]
    assert delays == [timedelta(minutes=minutes) for minutes in (2, 4, 8, 16, 32, 64, 120)]


def test_a_mail_expires_exactly_when_its_time_is_over():
    schedule = RetrySchedule(give_up=timedelta(days=5))
    assert schedule.expired(NOW, NOW - timedelta(days=5))
    assert not schedule.expired(NOW, NOW - timedelta(days=5) + timedelta(microseconds=1))
