"""What is known of one host: its strikes, its ban, how often it was banned. Folded from banguard's own events."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AnyEvent,
    HostBanned,
    HostEvent,
    HostForgotten,
    HostFound,
    HostIgnored,
    HostUnbanned,
    Strike,
    StrikesForgiven,
    UnbanCause,
)

MOST_STRIKES = 100  # the newest are kept; no sensible maxretry needs more


class Ban(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ban in force; `until` None is for ever. It is the host's `count`-th in a row."""

    since: datetime
    until: datetime | None = None
    count: int = 1
    strikes: tuple[Strike, ...] = ()
    by: str = ""
    reason: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One network that is banned as one.

    `strikes` are those that led to no ban yet. `last` is the sequence of the newest one, ignored ones too: what isn't
    newer was dealt with. `bans` counts those in a row, as of `banned_at`, when the last one began. `seen_at` is when
    anything happened last.
    """

    network: str
    seen_at: datetime
    strikes: tuple[Strike, ...] = ()
    last: int = 0
    ban: Ban | None = None
    bans: int = 0
    banned_at: datetime | None = None


def apply(host: Host | None, event: AnyEvent) -> Host | None:
    """The state after the event; None when nothing is known any more."""
    if not isinstance(event, HostEvent) or isinstance(event, HostForgotten):
        return None
    host = replace(host, seen_at=event.at) if host else Host(network=event.network, seen_at=event.at)
    match event:
        case HostFound(strike=strike):
            strikes = (*host.strikes, strike)[-MOST_STRIKES:]
            host = replace(host, strikes=strikes, last=max(host.last, strike.sequence))
        case HostIgnored(strike=strike):
            host = replace(host, last=max(host.last, strike.sequence))
        case HostBanned():
            host = _banned(host, event)
        case HostUnbanned(cause=cause):
            host = _unbanned(host, cause)
        case StrikesForgiven(strikes=forgiven):
            host = _forgiven(host, forgiven)
        case _:
            pass
    return host


def total_weight(strikes: Iterable[Strike]) -> int:
    return sum(strike.weight for strike in strikes)


def strikes_within(strikes: Iterable[Strike], findtime: int, now: datetime) -> tuple[Strike, ...]:
    """Those of the last `findtime` seconds."""
    return tuple(strike for strike in strikes if strike.at > now - timedelta(seconds=findtime))


def counted_strikes(host: Host) -> tuple[Strike, ...]:
    """What speaks against it now."""
    return (*host.ban.strikes, *host.strikes) if host.ban else host.strikes


def accounts_of(strikes: Iterable[Strike]) -> tuple[str, ...]:
    """The accounts that the strikes concern, sorted."""
    return tuple(sorted({account for strike in strikes for account in strike.accounts}))


def _banned(host: Host, event: HostBanned) -> Host:
    ban = Ban(
        since=event.at, until=event.until, count=event.count, strikes=event.strikes, by=event.by, reason=event.reason
    )
    return replace(host, ban=ban, strikes=(), bans=event.count, banned_at=event.at)


def _unbanned(host: Host, cause: UnbanCause) -> Host:
    """A ban that ran its time counts when the next one is measured; one that was a mistake doesn't."""
    if cause is UnbanCause.EXPIRED:
        return replace(host, ban=None)
    bans = max(host.bans - 1, 0) if host.ban else host.bans
    left = counted_strikes(host) if cause is UnbanCause.FORGIVEN else ()
    return replace(host, ban=None, strikes=left, bans=bans)


def _forgiven(host: Host, forgiven: Iterable[int]) -> Host:
    gone = set(forgiven)
    ban = replace(host.ban, strikes=_without(host.ban.strikes, gone)) if host.ban else None
    return replace(host, ban=ban, strikes=_without(host.strikes, gone))


def _without(strikes: tuple[Strike, ...], gone: set[int]) -> tuple[Strike, ...]:
    return tuple(strike for strike in strikes if strike.sequence not in gone)
