"""Which strikes are forgiven, and which bans end before their time.

Pure; called as ban_decisions.py describes.
"""

from datetime import datetime
from typing import NamedTuple

from varco_banguard.decide import VOTER
from varco_banguard.model import Ban, Host, Stop, counted_strikes, readers_of, strikes_of_account, total_weight
from varco_common.events import (
    BanRules,
    HostEvent,
    HostUnbanned,
    LoginResumed,
    NetworkIgnored,
    SenderAuthorised,
    StrikesForgiven,
    UnbanCause,
)
from varco_common.events.ban_table import network_of
from varco_common.mail.sender_patterns import narrowest_pattern


class Attribution(NamedTuple):
    """When something is decided, who caused it, and the reason that they gave."""

    at: datetime
    by: str = VOTER
    reason: str = ""


def on_authorised(event: SenderAuthorised, host: Host, rules: BanRules, now: datetime) -> HostEvent | None:
    """Forgives the strikes for a sender that is now authorised."""
    forgiven = tuple(
        strike.sequence
        for strike in counted_strikes(host)
        if strike.sender and event.account in strike.accounts and narrowest_pattern(strike.sender, (event.pattern,))
    )
    return forgive(host, forgiven, rules, Attribution(now, reason=f"{event.account} authorised {event.pattern}"))


def on_ignored(event: NetworkIgnored, host: Host, rules: BanRules, now: datetime) -> HostEvent | None:
    """Ends the ban and the stops of a host in the network.

    If an account ignores it, only that account's strikes are forgiven.
    """
    if not host.ban and not host.strikes and not host.active_stops:
        return None
    ignored, own = network_of(event.network), network_of(host.network)
    if not (ignored.version == own.version and own.subnet_of(ignored)):  # type: ignore[arg-type] # same version
        return None
    attribution = Attribution(now, event.by, event.reason)
    if event.account:
        return forgive(host, strikes_of_account(host, event.account), rules, attribution)
    return _first_end(host, UnbanCause.IGNORED, attribution)


def forgive(host: Host, strikes: tuple[int, ...], rules: BanRules, attribution: Attribution) -> HostEvent | None:
    """Forgives these strikes (sequences), then ends what the others do not suffice for.

    A ban that a person set rests on no strikes, so it stays.
    """
    at, by, reason = attribution
    if strikes:
        return StrikesForgiven(at=at, network=host.network, strikes=strikes, by=by, reason=reason)
    for stop in host.active_stops:
        if total_weight(stop.strikes) < rules.maxretry:
            return resumed(host, stop, UnbanCause.FORGIVEN, attribution)
    if host.ban and host.ban.by == VOTER and total_weight(host.ban.strikes) < rules.maxretry:
        return unbanned(host, host.ban, UnbanCause.FORGIVEN, attribution)
    return None


def lift(host: Host, attribution: Attribution) -> HostEvent | None:
    """Ends the ban, then each stop, because a person said so."""
    return _first_end(host, UnbanCause.LIFTED, attribution)


def lift_stops(host: Host, attribution: Attribution, *, account: str = "", login: str = "") -> LoginResumed | None:
    """Ends each stop of the login, or of the account, because a person said so."""
    for stop in host.active_stops:
        if account in ("", stop.account) and login in ("", stop.login):
            return resumed(host, stop, UnbanCause.LIFTED, attribution)
    return None


def _first_end(host: Host, cause: UnbanCause, attribution: Attribution) -> HostEvent | None:
    if host.ban:
        return unbanned(host, host.ban, cause, attribution)
    return resumed(host, host.active_stops[0], cause, attribution) if host.active_stops else None


def resumed(host: Host, stop: Stop, cause: UnbanCause, attribution: Attribution) -> LoginResumed:
    at, by, reason = attribution
    return LoginResumed(
        at=at, by=by, reason=reason, network=host.network, account=stop.account, login=stop.login, cause=cause
    )


def unbanned(host: Host, ban: Ban, cause: UnbanCause, attribution: Attribution) -> HostUnbanned:
    at, by, reason = attribution
    accounts = readers_of(ban.strikes)
    return HostUnbanned(at=at, by=by, reason=reason, network=host.network, cause=cause, accounts=accounts)
