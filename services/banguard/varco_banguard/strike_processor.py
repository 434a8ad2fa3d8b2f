"""Turns failures in the event stream into strikes, and strikes into bans."""

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial

from varco_banguard import ban_decisions, metrics, unban_decisions
from varco_banguard.gateways import GatewayWarning
from varco_banguard.keyed_executor import MAX_SEQUENCE_SPAN, KeyedExecutor
from varco_banguard.model import Host
from varco_banguard.projections import BanguardState, if_known
from varco_common.base import log
from varco_common.base.subjects import event, token
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus, StoredEvent
from varco_common.events import (
    HostEvent,
    HostFound,
    HostIgnored,
    MailRefused,
    NetworkIgnored,
    SenderAuthorised,
    Strike,
    StrikeCause,
)
from varco_common.events.ban_table import banned_as

INPUTS = (
    event("*", "auth-failed", "*"),  # of every service that has logins
    MailRefused.subject_filter(),
    SenderAuthorised.subject_filter(),
    NetworkIgnored.subject_filter(),
)
_STRIKES = (HostFound.subject_filter(), HostIgnored.subject_filter())

_LOOK_BACK = 10_000  # sequences that are read if the last strike cannot be read

_log = log.get(__name__)


class StrikeProcessor:
    """Processes the events of one host in order, and those of several hosts at once."""

    def __init__(self, bus: Bus, state: BanguardState) -> None:
        self._bus, self._state = bus, state
        self._chance = random.Random()  # noqa: S311 - when a ban ends is no secret
        self._guarding = asyncio.Lock()
        self._gateway_warning = GatewayWarning()

    async def run(self) -> None:
        """Until cancelled. Begins before the last strike that was processed."""
        after = await retry_until_available(self._resume_position)
        async with KeyedExecutor.open() as executor, aclosing(self._bus.events.follow(*INPUTS, after=after)) as events:
            async for stored in events:
                if isinstance(stored, StoredEvent) and isinstance(stored.event, SenderAuthorised | NetworkIgnored):
                    await executor.idle()  # it forgives the strikes before it, and none after it
                    await retry_until_available(partial(self._on_forgiving_event, stored))
                elif isinstance(stored, StoredEvent) and (strike := self._strike(stored)):
                    if self._is_noted(strike):
                        metrics.IGNORED[strike.cause].inc()
                        continue
                    work = partial(retry_until_available, partial(self._on_strike, strike))
                    await executor.submit(stored.sequence, banned_as(strike.host), work)

    async def _on_forgiving_event(self, stored: StoredEvent) -> None:
        if isinstance(stored.event, NetworkIgnored):
            await self._state.settings_projection.reached(stored.sequence)
        decide = partial(self._unban_decision, stored.event)
        for _, host in [*self._state.hosts.items()]:
            if decide(host):
                await self._state.settle(host.network, if_known(decide))

    def _unban_decision(self, event: object, host: Host) -> HostEvent | None:
        rules, now = self._state.settings.rules, datetime.now(UTC)
        match event:
            case SenderAuthorised():
                return unban_decisions.on_authorised(event, host, rules, now)
            case NetworkIgnored():
                return unban_decisions.on_ignored(event, host, rules, now)
            case _:
                return None

    def _strike(self, stored: StoredEvent) -> Strike | None:
        state, rules = self._state, self._state.settings.rules
        try:
            strike = ban_decisions.strike_of(stored.sequence, stored.event, rules, state.whose)
            if strike:
                banned_as(strike.host)
        except ValueError as error:
            _log.error("a failure has no valid host address", sequence=stored.sequence, error=str(error))
            return None
        # fail2ban that starts on an old log also ignores what is older than findtime.
        if strike is None or strike.at <= datetime.now(UTC) - timedelta(seconds=rules.findtime):
            return None
        return strike

    def _is_noted(self, strike: Strike) -> bool:
        state, now = self._state, datetime.now(UTC)
        return ban_decisions.is_noted(strike, state.hosts.get(banned_as(strike.host)), state.settings, state.table, now)

    async def _on_strike(self, strike: Strike) -> None:
        """Raises TransientError; the caller then calls it again."""
        network = banned_as(strike.host)
        if strike.cause is StrikeCause.SENDER_NOT_AUTHORISED:
            await self._state.reach_uses()
        host = await self._state.settle(network, lambda host: self._strike_decision(strike, host))
        self._gateway_warning.note(host, self._state.settings.rules, datetime.now(UTC))
        if strike.login and strike.cause is StrikeCause.WRONG_CREDENTIALS:
            await self._state.logins.reach_last(HostFound.subject_filter(token(network)))
            async with self._guarding:  # when two hosts fail at one login, it is guarded once
                await self._guard(strike)

    def _strike_decision(self, strike: Strike, host: Host | None) -> HostEvent | None:
        settings, table, now = self._state.settings, self._state.table, datetime.now(UTC)
        use, chance = self._state.use_of(strike.host, now), self._chance.random()
        return ban_decisions.on_strike(strike, host, settings, table, use=use, now=now, chance=chance)

    async def _guard(self, strike: Strike) -> None:
        name = strike.login.strip().lower()
        rules = self._state.settings.rules
        login, gateways = self._state.login(name), self._state.gateways()
        guarded = ban_decisions.guard_decision(login, name, rules, datetime.now(UTC), gateways)
        if guarded:
            _log.warning("many unknown hosts, or a gateway, fail at a login", login=name, tried_from=guarded.tried)
            await self._state.logins.reached(await self._bus.events.append(guarded))

    async def _resume_position(self) -> int:
        """The sequence after which to go on.

        It lies before the last strike that was found or ignored, because its consequences may be
        missing, by as much as another strike that was processed at the same time can lie behind.
        Strikes that were processed before have no further effect.
        """
        newest = await self._bus.events.last_sequence(*_STRIKES)
        if not newest:
            return 0
        for span in (1, _LOOK_BACK, newest):
            async with aclosing(self._bus.events.read(*_STRIKES, after=max(newest - span, 0), last=newest)) as events:
                found = [stored.event async for stored in events if isinstance(stored.event, HostFound | HostIgnored)]
            if found:
                return max(found[-1].strike.sequence - 1 - MAX_SEQUENCE_SPAN, 0)
        return 0
