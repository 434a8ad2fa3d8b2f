"""When to try again: the delay before each further attempt, and when to give up. Pure."""

from datetime import datetime, timedelta

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Delays that double from `first` to `longest`.

    `jitter` is the share by which a delay varies to either side, so that mails (or next hops) that
    failed at the same moment are not tried at the same moment.
    """

    first: timedelta
    longest: timedelta
    jitter: float = 0.2

    def delay(self, failures: int, random: float) -> timedelta:
        """The delay after `failures` failures in a row; `random` is uniform in [0, 1)."""
        doubled = self.first * 2.0 ** min(failures - 1, 32)
        return min(doubled, self.longest) * (1 + self.jitter * (2 * random - 1))


class RetrySchedule(Backoff, frozen=True, kw_only=True):
    """How long and how often a mail is tried: for `give_up` after its acceptance."""

    first: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(hours=2)
    give_up: timedelta = timedelta(days=5)  # RFC 5321 4.5.4.1: at least four to five days

    def next_attempt(self, now: datetime, attempt: int, random: float) -> datetime:
        """When to try again after attempt number `attempt` (1 is the first) failed."""
        return now + self.delay(attempt, random)

    def expired(self, now: datetime, accepted_at: datetime) -> bool:
        """Whether the time for attempts is over."""
        return now - accepted_at >= self.give_up
