"""From a failure to a strike, from strikes to a ban, and to a ban's end by time. Pure.

Each function makes one decision from the state, and returns the one event that comes next. The
caller appends it, waits until the state has it, and asks again until the answer is None. So a crash
between two events loses nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from varco_banguard.ban_duration import ban_end
from varco_banguard.ban_settings import BanSettings
from varco_banguard.claimed_names import Concerned
from varco_banguard.decide import VOTER
from varco_banguard.known_logins import KnownLogin
from varco_banguard.model import Host, strikes_within, total_weight
from varco_banguard.shared_hosts import HostUse, stop_decision, stops_login
from varco_banguard.unban_decisions import Attribution, resumed, unbanned
from varco_common.events import (
    AuthFailed,
    BanRules,
    HostBanned,
    HostEvent,
    HostForgotten,
    HostFound,
    HostIgnored,
    LoginGuarded,
    MailRefused,
    Strike,
    StrikeCause,
    UnbanCause,
)
from varco_common.events.ban_table import BanTable, address_of, banned_as
from varco_common.events.stop_table import normal_login
from varco_common.mail.replies import Reply

IGNORED_INTERVAL = timedelta(minutes=1)  # between two HostIgnored of one host

Whose = Callable[[AuthFailed], Concerned]


def strike_of(sequence: int, event: object, rules: BanRules, whose: Whose) -> Strike | None:
    """The strike for an event; None if it is no failure, or if the rules switch its cause off."""
    match event:
        case AuthFailed(host=host) if host:
            cause, concerned = StrikeCause(event.cause.value), whose(event)
            details = {"login": event.login, "guess": event.guess}
        case MailRefused(reply=Reply.SENDER_NOT_AUTHORISED) if host := event.ballot.envelope.host:
            envelope = event.ballot.envelope
            cause = StrikeCause.SENDER_NOT_AUTHORISED
            concerned = Concerned(accounts=(envelope.account,) if envelope.account else ())
            details = {"login": envelope.login, "sender": envelope.sender, "mail": envelope.id}
        case _:
            return None
    if not (weight := rules.strikes.get(cause, 1)):
        return None
    return Strike(
        sequence=sequence,
        at=event.at,
        cause=cause,
        host=host,
        weight=weight,
        accounts=concerned.accounts,
        seen_by=concerned.seen_by,
        **details,
    )


def on_strike(
    strike: Strike,
    host: Host | None,
    settings: BanSettings,
    table: BanTable,
    *,
    use: HostUse,
    now: datetime,
    chance: float,
) -> HostEvent | None:
    """A new strike is found or ignored. After that it may be the one that stops a login or bans."""
    network = banned_as(strike.host)
    if is_noted(strike, host, settings, table, now):
        return None
    if host is None or strike.sequence > host.last:
        if ignored := _ignored(strike, settings, table):
            return HostIgnored(at=now, network=network, strike=strike, ignored=ignored)
        if host and _is_repeated(strike, host, settings.rules):
            strike = replace(strike, weight=0)
        return HostFound(at=now, network=network, strike=strike)
    rules = settings.rules
    return stop_decision(host, use, rules, now, chance) or ban_decision(host, use, rules, now, chance)


def is_noted(strike: Strike, host: Host | None, settings: BanSettings, table: BanTable, now: datetime) -> bool:
    """Whether the strike does not count, and EVENTS has said so of its host within the last minute.

    The failure itself is an event. A second one for each would double what a flood costs.
    """
    if host is None or host.ignored_at is None or now - host.ignored_at >= IGNORED_INTERVAL:
        return False
    return bool(_ignored(strike, settings, table))


def _is_repeated(strike: Strike, host: Host, rules: BanRules) -> bool:
    """Whether the host guessed the same before, as a phone does with its old password."""
    if rules.count_repeats or not strike.guess:
        return False
    return any(earlier.guess == strike.guess for earlier in strikes_within(host.strikes, rules.findtime, strike.at))


def ban_decision(host: Host, use: HostUse, rules: BanRules, now: datetime, chance: float) -> HostBanned | None:
    """A ban, if the strikes within findtime weigh `maxretry` and the host is not banned yet.

    Those that stop a login do not count towards it. A gateway is never banned.
    """
    if use.gateway:
        return None
    recent = strikes_within(host.strikes, rules.findtime, now)
    strikes = tuple(strike for strike in recent if not stops_login(strike, use, rules))
    if host.ban or total_weight(strikes) < rules.maxretry:
        return None
    earlier = bans_in_a_row(host, rules, now)
    until = ban_end(rules, earlier, now, chance)
    return HostBanned(at=now, by=VOTER, network=host.network, until=until, count=earlier + 1, strikes=strikes)


def bans_in_a_row(host: Host | None, rules: BanRules, now: datetime) -> int:
    """Bans older than fail2ban's dbpurgeage do not count."""
    if host is None or host.banned_at is None:
        return 0
    return host.bans if now - host.banned_at < timedelta(seconds=rules.dbpurgeage) else 0


def on_time(host: Host, rules: BanRules, now: datetime) -> HostEvent | None:
    """Ends stops and a ban that are over, or forgets a host whose strikes and bans are too old."""
    for stop in host.active_stops:
        if stop.until is not None and stop.until <= now:
            return resumed(host, stop, UnbanCause.EXPIRED, Attribution(now))
    if host.ban:
        due = host.ban.until is not None and host.ban.until <= now
        return unbanned(host, host.ban, UnbanCause.EXPIRED, Attribution(now)) if due else None
    if host.gateways:
        return None
    keep = max(rules.findtime, rules.dbpurgeage if host.bans or host.stops else 0)
    if not host.active_stops and now - host.seen_at > timedelta(seconds=keep):
        return HostForgotten(at=now, network=host.network, by=VOTER)
    return None


def guard_decision(
    login: KnownLogin | None, name: str, rules: BanRules, now: datetime, gateways: Sequence[Host] = ()
) -> LoginGuarded | None:
    """Guards a login at which many unknown hosts fail, or one of the `gateways`, which hide hosts.

    Guarded again once half of guard.bantime is over.
    """
    if login is None:
        return None
    half = timedelta(seconds=rules.guard_bantime / 2)
    if login.guarded_until and login.guarded_until - now > half:
        return None
    since = now - timedelta(seconds=rules.findtime)
    tried = sum(at > since for host, at in login.tries.items() if host not in login.known)
    if tried < rules.guard_maxhosts and _failures_at(name, gateways, rules, now) < rules.maxretry:
        return None
    return LoginGuarded(
        at=now,
        by=VOTER,
        login=name,
        account=login.account,
        until=now + timedelta(seconds=rules.guard_bantime),
        known=tuple(login.known),
        tried=tried,
        hiding=tuple(gateway.network for gateway in gateways),
    )


def _failures_at(login: str, gateways: Iterable[Host], rules: BanRules, now: datetime) -> int:
    """What the wrong passwords for a login from these hosts weigh within findtime."""
    return sum(
        strike.weight
        for gateway in gateways
        for strike in strikes_within(gateway.strikes, rules.findtime, now)
        if strike.cause is StrikeCause.WRONG_CREDENTIALS and normal_login(strike.login) == login
    )


def _ignored(strike: Strike, settings: BanSettings, table: BanTable) -> str:
    """The network because of which this strike does not count; empty if it counts."""
    if exempt := table.exempt(address_of(strike.host)):
        return str(exempt)
    return next((entry.network for entry in settings.ignored if entry.covers(strike)), "")
