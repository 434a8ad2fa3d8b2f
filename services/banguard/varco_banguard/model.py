"""The state of one host: its strikes, its ban, and how often it was banned.

Folded from banguard's events. Pure.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AnyEvent,
    GatewayDetected,
    HostBanned,
    HostEvent,
    HostForgotten,
    HostFound,
    HostIgnored,
    HostUnbanned,
    Language,
    LoginResumed,
    LoginStopped,
    SharedBecause,
    Strike,
    StrikeCause,
    StrikesForgiven,
    UnbanCause,
)
from varco_common.events.ban_table import banned_as, normal_address
from varco_common.events.stop_table import ActiveStop, normal_login

MAX_STRIKES = 100  # the newest strikes of a host; no sensible maxretry needs more


class Ban(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ban in force. `until` None means for ever. `count` is 1 for the first ban in a row."""

    since: datetime
    until: datetime | None = None
    count: int = 1
    strikes: tuple[Strike, ...] = ()
    by: str = ""
    reason: str = ""


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A login that is stopped at the host; empty: what the host may send without one.

    `over` ones are kept, because they make the next stop longer.
    """

    account: str
    login: str
    since: datetime
    until: datetime | None = None
    count: int = 1
    because: SharedBecause
    strikes: tuple[Strike, ...] = ()
    language: Language = Language.EN
    time_zone: str = "UTC"
    over: bool = False

    @property
    def who(self) -> tuple[str, str]:
        return self.account, self.login


class Host(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One network that is banned as a unit.

    `strikes` have not led to a ban yet. `last` is the sequence of the newest strike, ignored ones
    included: a strike with a lower sequence was processed before. `bans` counts the bans in a row,
    the last of which began at `banned_at`. `seen_at` is the time of the last event, `ignored_at`
    that of the last HostIgnored. `stops` has one entry for each login that was stopped here.
    `gateways` are its addresses that hide other hosts.
    """

    network: str
    seen_at: datetime
    strikes: tuple[Strike, ...] = ()
    last: int = 0
    ban: Ban | None = None
    bans: int = 0
    banned_at: datetime | None = None
    ignored_at: datetime | None = None
    stops: tuple[Stop, ...] = ()
    gateways: tuple[str, ...] = ()

    @property
    def active_stops(self) -> tuple[Stop, ...]:
        return tuple(stop for stop in self.stops if not stop.over)

    def stop_of(self, who: tuple[str, str]) -> Stop | None:
        """The stop of a login, over or not; `who` is its account and name."""
        return next((stop for stop in self.stops if stop.who == who), None)


def apply(host: Host | None, event: AnyEvent) -> Host | None:  # noqa: PLR0911 - one case an event
    """The state after the event; None if nothing is known of the host any more."""
    if not isinstance(event, HostEvent | GatewayDetected) or isinstance(event, HostForgotten):
        return None
    host = replace(host, seen_at=event.at) if host else Host(network=network_key(event), seen_at=event.at)
    match event:
        case GatewayDetected(host=address):
            return replace(host, gateways=tuple(sorted({*host.gateways, normal_address(address)})))
        case HostFound(strike=strike):
            strikes = (*host.strikes, strike)[-MAX_STRIKES:]
            return replace(host, strikes=strikes, last=max(host.last, strike.sequence))
        case HostIgnored(strike=strike):
            return replace(host, last=max(host.last, strike.sequence), ignored_at=event.at)
        case HostBanned():
            return _with_ban(host, event)
        case HostUnbanned(cause=cause):
            return _without_ban(host, cause)
        case LoginStopped():
            return _with_stop(host, event)
        case LoginResumed():
            return _without_stop(host, event)
        case StrikesForgiven(strikes=forgiven):
            ban = host.ban and replace(host.ban, strikes=_without(host.ban.strikes, forgiven))
            stops = tuple(replace(stop, strikes=_without(stop.strikes, forgiven)) for stop in host.stops)
            return replace(host, ban=ban, stops=stops, strikes=_without(host.strikes, forgiven))
        case _:
            return host


def network_key(event: AnyEvent) -> str:
    """The network that an event is about."""
    return banned_as(event.host) if isinstance(event, GatewayDetected) else event.key


def total_weight(strikes: Iterable[Strike]) -> int:
    return sum(strike.weight for strike in strikes)


def strikes_within(strikes: Iterable[Strike], findtime: int, now: datetime) -> tuple[Strike, ...]:
    """The strikes of the last `findtime` seconds."""
    return tuple(strike for strike in strikes if strike.at > now - timedelta(seconds=findtime))


def counted_strikes(host: Host) -> tuple[Strike, ...]:
    """Every strike that counts: those behind the host's ban and its stops, and those after."""
    stopped = tuple(strike for stop in host.active_stops for strike in stop.strikes)
    return (*(host.ban.strikes if host.ban else ()), *stopped, *host.strikes)


def strikes_of_account(host: Host, account: str) -> tuple[int, ...]:
    """The sequences of the counted strikes that concern the account."""
    return tuple(strike.sequence for strike in counted_strikes(host) if account in strike.accounts)


def readers_of(strikes: Iterable[Strike]) -> tuple[str, ...]:
    """The accounts that see one of the strikes, sorted."""
    return tuple(sorted({account for strike in strikes for account in strike.readers}))


def _with_ban(host: Host, event: HostBanned) -> Host:
    ban = Ban(
        since=event.at, until=event.until, count=event.count, strikes=event.strikes, by=event.by, reason=event.reason
    )
    return replace(host, ban=ban, strikes=(), bans=event.count, banned_at=event.at)


def _without_ban(host: Host, cause: UnbanCause) -> Host:
    """Only a ban that expired makes the next one longer."""
    if cause is UnbanCause.EXPIRED:
        return replace(host, ban=None)
    bans = max(host.bans - 1, 0) if host.ban else host.bans
    strikes = (*(host.ban.strikes if host.ban else ()), *host.strikes) if cause is UnbanCause.FORGIVEN else ()
    return replace(host, ban=None, strikes=strikes, bans=bans)


def _with_stop(host: Host, event: LoginStopped) -> Host:
    """Its strikes are behind the stop now, and count for nothing else."""
    stop = Stop(
        account=event.account,
        login=event.login,
        since=event.at,
        until=event.until,
        count=event.count,
        because=event.because,
        strikes=event.strikes,
        language=event.language,
        time_zone=event.time_zone,
    )
    strikes = _without(host.strikes, tuple(strike.sequence for strike in event.strikes))
    return replace(host, stops=(*_other_stops(host, stop.who), stop), strikes=strikes)


def _without_stop(host: Host, event: LoginResumed) -> Host:
    """Only a stop that expired makes the next one longer."""
    who = (event.account, event.login)
    stop, others = host.stop_of(who), _other_stops(host, who)
    if stop is None:
        return host
    strikes = host.strikes
    if event.cause is UnbanCause.FORGIVEN:
        strikes = tuple(sorted((*stop.strikes, *strikes), key=lambda strike: strike.sequence))
    elif event.cause is not UnbanCause.EXPIRED:
        strikes = tuple(strike for strike in strikes if sender_of(strike) != who)
    count = stop.count - (event.cause is not UnbanCause.EXPIRED)
    ended = (replace(stop, over=True, count=count, strikes=()),) if count else ()
    return replace(host, stops=(*others, *ended), strikes=strikes)


def active_stop(stop: Stop) -> ActiveStop:
    """As the table of stops has it."""
    return ActiveStop(stop.login, stop.until, len(stop.strikes), stop.language, stop.time_zone)


def sender_of(strike: Strike) -> tuple[str, str] | None:
    """The account and the login that sent the refused mail; the login is empty without AUTH.

    None if the strike is for anything else.
    """
    if strike.cause is not StrikeCause.SENDER_NOT_AUTHORISED or not strike.accounts:
        return None
    return strike.accounts[0], normal_login(strike.login)


def _other_stops(host: Host, who: tuple[str, str]) -> tuple[Stop, ...]:
    return tuple(stop for stop in host.stops if stop.who != who)


def _without(strikes: tuple[Strike, ...], forgiven: tuple[int, ...]) -> tuple[Strike, ...]:
    return tuple(strike for strike in strikes if strike.sequence not in forgiven)
