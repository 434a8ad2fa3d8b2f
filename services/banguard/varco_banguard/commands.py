"""What people do: ban, lift, ignore, change the rules. Each is decided on the newest state and answered when it holds."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from varco_banguard import decide, rule_settings
from varco_banguard.ban_settings import BanSettings, IgnoredNetwork, ban_end
from varco_banguard.model import Host, counted_strikes
from varco_banguard.state import BanguardState, of_known
from varco_banguard.strike_processor import utc_now
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    BanRules,
    BanRulesChanged,
    GateEvent,
    HostBanned,
    HostEvent,
    NetworkIgnored,
    NetworkUnignored,
)
from varco_common.events.ban_table import Network, address_of, banned_as, key_of, network_of

WIDEST = {4: 8, 6: 19}  # prefix lengths; what is broader was a slip of the hand
WIDEST_OF_ACCOUNTS = {4: 24, 6: 48}


class BanCommands:
    """`by` is who asks, `account` whose token it is (empty: an admin's). All raise RefusedCommand, TransientError."""

    def __init__(self, register: BanguardState, now: Callable[[], datetime] = utc_now) -> None:
        self._register, self._now = register, now

    async def ban(self, text: str, bantime: str | None, by: str, reason: str) -> Host:
        """Bans by hand; a ban that is there is replaced."""
        network = named(text)
        with suppress(ValueError):
            if exempt := self._register.table.exempt(address_of(text.strip())):
                raise RefusedCommand(f"{text} is never banned: {exempt} is ignored")
        key, done = key_of(network), False
        rules = self._register.gate.rules
        await self._register.check()

        def banned(host: Host | None) -> HostEvent | None:
            nonlocal done
            if done:
                return None
            done, now = True, self._now()
            earlier = decide.bans_in_a_row(host, rules, now)
            if host and host.ban:
                earlier = host.ban.count - 1
            until = ban_end(rules, earlier, now, 0) if bantime is None else _until(bantime, now)
            strikes = counted_strikes(host) if host else ()
            return HostBanned(
                at=now, by=by, reason=reason, network=key, until=until, count=earlier + 1, strikes=strikes
            )

        host = await self._register.settle(key, banned)
        assert host
        return host

    async def lift(self, text: str, by: str, account: str, reason: str) -> Host | None:
        """Ends a ban; an account takes back the strikes that concern it, and with them the ban, where it rests on them."""
        network = named(text)
        key = key_of(network)
        host = self._register.host(key)
        if not host or not host.ban or (account and not _own(host, account)):
            wider = None if account else self._register.banned_around(network, self._now())
            raise NotFound(f"{key} is not banned by itself: {wider.network} is" if wider else f"{key} is not banned")
        await self._register.check()
        said = decide.Attribution(self._now(), by, reason)
        if not account:
            return await self._register.settle(key, of_known(lambda host: decide.lift(host, said)))
        rules = self._register.gate.rules
        return await self._register.settle(
            key, of_known(lambda host: decide.forgive(host, _own(host, account), rules, said))
        )

    async def ignore(self, text: str, by: str, account: str, reason: str) -> IgnoredNetwork:
        """Failures from the network count no more, and its bans end. An account's own ignoring is for its failures alone."""
        network = named(text)
        if account and network.prefixlen < WIDEST_OF_ACCOUNTS[network.version]:
            most = WIDEST_OF_ACCOUNTS[network.version]
            raise RefusedCommand(f"an account may ignore networks up to /{most}; broader ones are an admin's")
        key = key_of(network)

        def ignored(gate: BanSettings) -> GateEvent | None:
            held = _held(gate, key, account)
            return None if held else NetworkIgnored(at=self._now(), by=by, reason=reason, network=key, account=account)

        return _held(await self._register.change(ignored), key, account) or IgnoredNetwork(
            network=key, since=self._now()
        )

    async def unignore(self, text: str, by: str, account: str, reason: str) -> None:
        key = key_of(named(text))

        def unignored(gate: BanSettings) -> GateEvent:
            if not _held(gate, key, account):
                raise NotFound(f"{key} is not ignored")
            return NetworkUnignored(at=self._now(), by=by, reason=reason, network=key, account=account)

        await self._register.change(unignored)

    async def set_rules(self, given: Mapping[str, object], by: str, reason: str) -> BanRules:
        def changed(gate: BanSettings) -> GateEvent | None:
            rules = rule_settings.changed_rules(gate.rules, given)
            if rules == gate.rules:
                return None
            return BanRulesChanged(at=self._now(), by=by, reason=reason, rules=rules)

        return (await self._register.change(changed)).rules


def named(text: str) -> Network:
    """An address or a network; a single IPv6 address stands for its /64. Raises RefusedCommand."""
    try:
        network = _unmapped(network_of(text.strip()))
        if network.version == 6 and network.prefixlen > 64:
            network = network_of(banned_as(str(network.network_address)))
    except ValueError:
        raise RefusedCommand(f"{text}: expected an address or a network such as 192.0.2.7 or 192.0.2.0/28") from None
    if network.prefixlen < WIDEST[network.version]:
        raise RefusedCommand(f"{text} is broader than /{WIDEST[network.version]}")
    return network


def _unmapped(network: Network) -> Network:
    """IPv4 out of its IPv6 form (RFC 4291 2.5.5.2): hosts are known by their IPv4 address."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((int(mapped), network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def _until(bantime: str, now: datetime) -> datetime | None:
    try:
        seconds = rule_settings.seconds(bantime)
        return None if seconds < 0 else now + timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise RefusedCommand(f"bantime={bantime}: {error}") from None


def _own(host: Host, account: str) -> tuple[int, ...]:
    return tuple(strike.sequence for strike in counted_strikes(host) if account in strike.accounts)


def _held(gate: BanSettings, network: str, account: str) -> IgnoredNetwork | None:
    return next((one for one in gate.ignored if (one.network, one.account) == (network, account)), None)
