"""The state of one host: its strikes, its ban, and how often it was banned.

Folded from banguard's events. Pure.
"""

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

MAX_STRIKES = 100  # the newest strikes of a host; no sensible maxretry needs more


class Ban(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ban in force. `until` None means for ever. `count` is 1 for the first ban in a row."""

    since: datetime
    until: datetime | None = None
    count: int = 1
    strikes: tuple[Strike, ...] = ()
    by: str = ""
    reason: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One network that is banned as a unit.

    `strikes` have not led to a ban yet. `last` is the sequence of the newest strike, ignored ones
    included: a strike with a lower sequence was processed before. `bans` counts the bans in a row,
    the last of which began at `banned_at`. `seen_at` is the time of the last event.
    """

    network: str
    seen_at: datetime
    strikes: tuple[Strike, ...] = ()
    last: int = 0
    ban: Ban | None = None
    bans: int = 0
    banned_at: datetime | None = None


def apply(host: Host | None, event: AnyEvent) -> Host | None:  # noqa: PLR0911 - one case an event
    """The state after the event; None if nothing is known of the host any more."""
    if not isinstance(event, HostEvent) or isinstance(event, HostForgotten):
        return None
    host = replace(host, seen_at=event.at) if host else Host(network=event.network, seen_at=event.at)
    match event:
        case HostFound(strike=strike):
            strikes = (*host.strikes, strike)[-MAX_STRIKES:]
            return replace(host, strikes=strikes, last=max(host.last, strike.sequence))
        case HostIgnored(strike=strike):
            return replace(host, last=max(host.last, strike.sequence))
        case HostBanned():
            return _with_ban(host, event)
        case HostUnbanned(cause=cause):
            return _without_ban(host, cause)
        case StrikesForgiven(strikes=forgiven):
            ban = host.ban and replace(host.ban, strikes=_without(host.ban.strikes, forgiven))
            return replace(host, ban=ban, strikes=_without(host.strikes, forgiven))
        case _:
            return host


def total_weight(strikes: Iterable[Strike]) -> int:
    return sum(strike.weight for strike in strikes)


def strikes_within(strikes: Iterable[Strike], findtime: int, now: datetime) -> tuple[Strike, ...]:
    """The strikes of the last `findtime` seconds."""
    return tuple(strike for strike in strikes if strike.at > now - timedelta(seconds=findtime))


def counted_strikes(host: Host) -> tuple[Strike, ...]:
    """Every strike that counts against the host: those behind its ban, and those after it."""
    return (*host.ban.strikes, *host.strikes) if host.ban else host.strikes


def strikes_of_account(host: Host, account: str) -> tuple[int, ...]:
    """The sequences of the counted strikes that concern the account."""
    return tuple(strike.sequence for strike in counted_strikes(host) if account in strike.accounts)


def accounts_of(strikes: Iterable[Strike]) -> tuple[str, ...]:
    """The accounts that the strikes concern, sorted."""
    return tuple(sorted({account for strike in strikes for account in strike.accounts}))


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
    strikes = counted_strikes(host) if cause is UnbanCause.FORGIVEN else ()
    return replace(host, ban=None, strikes=strikes, bans=bans)


def _without(strikes: tuple[Strike, ...], forgiven: tuple[int, ...]) -> tuple[Strike, ...]:
    return tuple(strike for strike in strikes if strike.sequence not in forgiven)
