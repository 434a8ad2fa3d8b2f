"""How much mail a domain gets in a minute: mails to it are spaced evenly."""

import time
from collections.abc import Callable

MAX_WAIT_SECONDS = 20.0  # a mail that would wait longer is deferred, and others go before it
_REMEMBERED = 10_000  # domains


class DomainRate:
    """`per_minute` 0: no limit."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._now = now
        self._next: dict[str, float] = {}  # when the domain may get its next mail

    def take(self, domain: str) -> float | None:
        """How many seconds the mail waits for its turn; None: too long."""
        if not self._interval:
            return 0.0
        now = self._now()
        turn = max(now, self._next.get(domain, now))
        if turn - now > MAX_WAIT_SECONDS:
            return None
        self._next[domain] = turn + self._interval
        if len(self._next) > _REMEMBERED:
            self._next = {name: at for name, at in self._next.items() if at > now}
        return turn - now
