"""Logins that many hosts guess at (banguard's LoginGuarded): who isn't known there waits for a turn."""

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime

from varco_common.base.subjects import event
from varco_common.events import LoginGuarded
from varco_common.events.ban_table import banned_as

GUARDED = event("banguard", "login-guarded", "*")
MOST_WELCOME = 10_000


class LoginThrottle:
    """Logins that many hosts guess at. Hosts that are known there log in as ever; the others one after the other.

    They cost no other session anything, and however many they are, they get one guess each `seconds`. More than `most` wait
    for nothing: they hear that they may try again later.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._guarded: dict[str, LoginGuarded] = {}
        self._next: dict[str, float] = {}
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def put(self, guarded: LoginGuarded) -> None:
        now = datetime.now(UTC)
        for over in [login for login, held in self._guarded.items() if held.until <= now]:
            del self._guarded[over]
            self._next.pop(over, None)
        if guarded.until > now:
            self._guarded[guarded.login] = guarded

    async def turn(self, login: str, host: str) -> bool:
        """Returns when the host may try; False where too many wait already."""
        login = login.strip().lower()
        guarded = self._guarded.get(login)
        if not guarded or guarded.until <= datetime.now(UTC) or self._knows(guarded, login, banned_as(host)):
            return True
        now = asyncio.get_running_loop().time()
        at = max(now, self._next.get(login, 0.0)) + self._seconds
        if at - now > self._seconds * self._most:
            return False
        self._next[login] = at
        await asyncio.sleep(at - now)
        return True

    def welcome(self, login: str, host: str) -> None:
        """It has logged in from there."""
        place = login.strip().lower(), banned_as(host)
        self._welcome[place] = None
        self._welcome.move_to_end(place)
        while len(self._welcome) > MOST_WELCOME:
            self._welcome.popitem(last=False)

    def _knows(self, guarded: LoginGuarded, login: str, host: str) -> bool:
        return host in guarded.known or (login, host) in self._welcome
