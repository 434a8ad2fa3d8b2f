"""Slows down guessing at a login: hosts that the login doesn't know get one attempt at a time."""

import asyncio
import math
import time

from cachetools import LRUCache, TLRUCache

from varco_common.events import LoginGuarded
from varco_common.events.ban_table import banned_as

GUARDED = LoginGuarded.subject_filter()
MAX_REMEMBERED = 10_000


class LoginThrottle:
    """Which logins many hosts guess at (banguard's LoginGuarded), and who waits for an attempt.

    Hosts that the login knows are not slowed down, unless they hide others. All others share one
    attempt each `seconds`. If more than `max_waiting` wait already, a further host is told to try
    again later.
    """

    def __init__(self, seconds: float, max_waiting: int) -> None:
        self._seconds, self._max_waiting = seconds, max_waiting
        self._guarded: TLRUCache[str, LoginGuarded] = TLRUCache(math.inf, ttu=_end, timer=time.time)
        self._next_attempts: TLRUCache[str, float] = TLRUCache(math.inf, ttu=self._guard_end, timer=time.time)
        self._remembered: LRUCache[tuple[str, str], None] = LRUCache(MAX_REMEMBERED)

    def add(self, guarded: LoginGuarded) -> None:
        """Guards the login until the time in the event."""
        self._guarded[guarded.login] = guarded

    def remember(self, login: str, host: str) -> None:
        """Notes that this host has logged in, so that it is not slowed down."""
        self._remembered[_normal(login), banned_as(host)] = None

    async def wait_for_turn(self, login: str, host: str) -> bool:
        """Returns True when the host may try, and False at once if too many wait already."""
        login = _normal(login)
        guarded = self._guarded.get(login)
        if not guarded or self._knows(guarded, banned_as(host)):
            return True
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_attempts.get(login, 0.0)) + self._seconds
        if turn - now > self._seconds * self._max_waiting:
            return False
        self._next_attempts[login] = turn
        await asyncio.sleep(turn - now)
        return True

    def _knows(self, guarded: LoginGuarded, host: str) -> bool:
        if host in guarded.hiding:
            return False
        return host in guarded.known or (guarded.login, host) in self._remembered

    def _guard_end(self, login: str, _: float, now: float) -> float:
        guarded = self._guarded.get(login)
        return guarded.until.timestamp() if guarded else now


def _end(_: str, guarded: LoginGuarded, __: float) -> float:
    return guarded.until.timestamp()


def _normal(login: str) -> str:
    return login.strip().lower()
