"""banguard at work: strikes out of the stream into bans, and bans to their ends."""

import asyncio
import heapq
import random
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial

from varco_banguard import decide, metrics
from varco_banguard.keyed_executor import MAX_SEQUENCE_SPAN, KeyedExecutor
from varco_banguard.model import Host
from varco_banguard.state import NAME, BanguardState, Step, of_known
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.subjects import event
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus, StoredEvent
from varco_common.events import (
    AnyEvent,
    BanRules,
    HostBanned,
    HostEvent,
    HostFound,
    HostIgnored,
    NetworkIgnored,
    SenderAuthorised,
    Strike,
    StrikeCause,
)
from varco_common.events.ban_table import banned_as

INPUTS = (
    event("*", "auth-failed", "*"),
    event("ingress-smtp", "mail-refused", "*"),
    event("policy", "sender-authorised", "*"),
    event(NAME, "network-ignored", "*"),
)
_FOUND = (event(NAME, "host-found", "*"), event(NAME, "host-ignored", "*"))
SWEEP_SECONDS = 600.0

Clock = Callable[[], datetime]
_log = log.get(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class StrikeProcessor:
    """Deals with each host's events one after the other; each decision is made anew until nothing is left to say of it."""

    def __init__(self, bus: Bus, register: BanguardState, now: Clock = utc_now) -> None:
        self._bus, self._register, self._now = bus, register, now
        self._chance = random.Random()  # noqa: S311 - when a ban ends is no secret
        self._ends: list[tuple[datetime, str]] = []
        self._sooner = asyncio.Event()
        self._guarding = asyncio.Lock()
        for host in register.hosts():
            if host.ban and host.ban.until:
                self._ends.append((host.ban.until, host.network))
        heapq.heapify(self._ends)
        register.on_host(self._heard)

    async def watch(self) -> None:
        """From the last strikes that were dealt with on, for ever; several hosts at once."""
        after = await retry_until_available(self._begin)
        async with KeyedExecutor.open() as lanes, aclosing(self._bus.events.follow(*INPUTS, after=after)) as events:
            async for stored in events:
                if isinstance(stored.event, SenderAuthorised | NetworkIgnored):
                    await lanes.idle()  # it takes back what stood before it, and nothing later
                    await retry_until_available(lambda stored=stored: self._on_change(stored))  # type: ignore[misc]
                elif strike := self._strike(stored):
                    work = partial(retry_until_available, partial(self._on_strike, strike))
                    await lanes.begin(stored.sequence, banned_as(strike.host), work)

    async def keep_time(self) -> None:
        """Ends bans when they end; and forgets, now and then, what is too old to matter."""
        sweep = self._now()
        while True:
            now = self._now()
            if now >= sweep:
                await self._settle_all(self._on_time)
                sweep = self._now() + timedelta(seconds=SWEEP_SECONDS)
            while self._ends and self._ends[0][0] <= now:
                _, network = heapq.heappop(self._ends)
                await self._settle(network, of_known(self._on_time))
            due = min(sweep, self._ends[0][0]) if self._ends else sweep
            self._sooner.clear()
            try:
                async with asyncio.timeout(max((due - self._now()).total_seconds(), 0.001)):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    async def _on_change(self, stored: StoredEvent) -> None:
        match stored.event:
            case SenderAuthorised() as sender:
                await self._settle_all(lambda host: decide.on_authorised(sender, host, self._rules, self._now()))
            case NetworkIgnored() as ignored:
                await self._register.gate_reached(stored.sequence)
                await self._settle_all(lambda host: decide.on_ignored(ignored, host, self._rules, self._now()))

    def _strike(self, stored: StoredEvent) -> Strike | None:
        register, rules = self._register, self._rules
        try:
            strike = decide.strike_of(stored.sequence, stored.event, rules, register.login_owner, register.host_owner)
            if strike:
                banned_as(strike.host)
        except ValueError as error:
            _log.error("a failure without an address", sequence=stored.sequence, error=str(error))
            return None
        # As fail2ban when it starts on an old log: what is beyond findtime is history.
        if strike is None or strike.at <= self._now() - timedelta(seconds=rules.findtime):
            return None
        return strike

    async def _on_strike(self, strike: Strike) -> None:
        """Raises TransientError: then it is to be called again."""
        await self._register.settle(banned_as(strike.host), lambda host: self._judged(strike, host))
        if strike.login and strike.cause is StrikeCause.WRONG_CREDENTIALS:
            await self._register.logins_know(banned_as(strike.host))  # no later strike may come that would tell
            async with self._guarding:  # two hosts at one login: it is said once that it is guessed at
                await self._guard(strike)

    def _judged(self, strike: Strike, host: Host | None) -> HostEvent | None:
        gate, table = self._register.gate, self._register.table
        return decide.on_strike(strike, host, gate, table, now=self._now(), chance=self._chance.random())

    async def _guard(self, strike: Strike) -> None:
        name = strike.login.strip().lower()
        said = decide.on_guess(self._register.login(name), name, self._rules, self._now())
        if said:
            _log.warning("a login is guessed at", login=name, tried_from=said.tried)
            await self._register.logins_reached(await self._bus.events.append(said))

    def _on_time(self, host: Host) -> HostEvent | None:
        return decide.on_time(host, self._rules, self._now())

    async def _settle_all(self, step: Callable[[Host], HostEvent | None]) -> None:
        for host in self._register.hosts():
            if step(host):
                await self._settle(host.network, of_known(step))

    async def _settle(self, network: str, step: Step) -> None:
        await retry_until_available(lambda: self._register.settle(network, step))

    @property
    def _rules(self) -> BanRules:
        return self._register.gate.rules

    async def _begin(self) -> int:
        """Where to go on.

        At the last strike that was found or ignored, for what it led to may be unsaid; and as far before it as another
        can lie that was worked on at the same time. What is done already comes to nothing new.
        """
        newest = await self._bus.events.last_sequence(*_FOUND)
        if not newest:
            return 0
        async with aclosing(self._bus.events.follow(*_FOUND, after=newest - 1)) as events:
            async for stored in events:
                if isinstance(stored.event, HostFound | HostIgnored):
                    return max(stored.event.strike.sequence - 1 - MAX_SEQUENCE_SPAN, 0)
        raise TransientError("the last strike can't be read")

    def _heard(self, network: str, said: AnyEvent) -> None:
        metrics.count(said)
        if isinstance(said, HostBanned) and said.until:
            heapq.heappush(self._ends, (said.until, network))
            self._sooner.set()
