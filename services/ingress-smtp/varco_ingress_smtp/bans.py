"""Who is turned away before any banner, and who waits for a turn to log in: banguard's table, held in memory."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from varco_common import log
from varco_common.bans import BanTable, Network, address_of, banned_as, network_of
from varco_common.events import AnyEvent, HostBanned, LoginGuarded
from varco_common.subjects import event

GUARDED = event("banguard", "login-guarded", "*")
MOST_WELCOME = 10_000
LOOK_AT = 20  # connections after which it is judged whether all come from one address

_log = log.get(__name__)


class Bans:
    """`on_ban` is called with each network that is banned from now on."""

    def __init__(self, table: BanTable, guard: "Guard", on_ban: Callable[[Network], None]) -> None:
        self.table, self._guard, self._on_ban = table, guard, on_ban

    def heard(self, said: AnyEvent) -> None:
        match said:
            case HostBanned(network=network):
                self._on_ban(network_of(network))
            case LoginGuarded():
                self._guard.put(said)
            case _:
                pass

    def refuses(self, host: str) -> bool:
        return self.table.banned(host, datetime.now(UTC)) is not None


class Guard:
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


class Hidden:
    """Warns, once after a start, where all clients seem to come from one private address: a gateway in front hides them.

    Then a ban would hit all of them at once, or none.
    """

    def __init__(self) -> None:
        self._left = LOOK_AT
        self._first = ""

    def saw(self, host: str) -> None:
        if not self._left or not host:
            return
        self._first = self._first or host
        self._left -= 1
        if host != self._first or not _private(host):
            self._left = 0
        elif not self._left:
            _log.warning(
                "all clients seem to come from one private address: a container gateway or a NAT hides them, and a ban "
                "would hit them all; use host networking, or a balancer that speaks PROXY (VARCO_INGRESS_BALANCERS)",
                host=host,
            )


def _private(host: str) -> bool:
    address = address_of(host)
    return address.is_private and not address.is_loopback
