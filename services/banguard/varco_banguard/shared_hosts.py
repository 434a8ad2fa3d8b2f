"""Hosts that stand for several people, and the logins that are stopped there. Pure.

A ban of such a host would hit all who share it, so unauthorised senders stop the login that used
them. Wrong passwords ban these hosts as all others: else one good login would make a host from
which anybody may guess for ever.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from varco_banguard.account_choices import AccountChoices
from varco_banguard.ban_duration import ban_end
from varco_banguard.decide import VOTER
from varco_banguard.model import Host, sender_of, strikes_within, total_weight
from varco_common.events import AtSharedHosts, BanRules, LoginStopped, SharedBecause, Strike

USED_WITHIN = timedelta(days=7)  # an office is still shared on a Monday morning


class HostUse(NamedTuple):
    """Who uses a host.

    `gateway`: it hides all clients behind it. `trusted`: an account trusts its network. `logins`
    were used from it within USED_WITHIN.
    """

    gateway: bool = False
    trusted: bool = False
    logins: int = 0
    choices: Callable[[str], AccountChoices] = lambda _: AccountChoices()


def shared_because(use: HostUse, rules: BanRules) -> SharedBecause | None:
    """Why the host stands for several people; None if it does not."""
    if use.gateway:
        return SharedBecause.GATEWAY
    if use.trusted and rules.shared_networks:
        return SharedBecause.TRUSTED_NETWORK
    if rules.shared_logins and use.logins >= rules.shared_logins:
        return SharedBecause.SEVERAL_LOGINS
    return None


def stops_login(strike: Strike, use: HostUse, rules: BanRules) -> bool:
    """Whether this strike counts towards a stop of its login, and not towards a ban of the host."""
    if (who := sender_of(strike)) is None or not shared_because(use, rules):
        return False
    return use.gateway or use.choices(who[0]).at_shared_hosts is AtSharedHosts.STOP


def stop_decision(host: Host, use: HostUse, rules: BanRules, now: datetime, chance: float) -> LoginStopped | None:
    """A stop, if the strikes of one login within findtime weigh `maxretry`."""
    because = shared_because(use, rules)
    for who, strikes in _strikes_by_login(host, use, rules, now).items():
        if not because or total_weight(strikes) < rules.maxretry or _is_stopped(host, who):
            continue
        earlier, choices = _stops_in_a_row(host, who, rules, now), use.choices(who[0])
        return LoginStopped(
            at=now,
            by=VOTER,
            network=host.network,
            account=who[0],
            login=who[1],
            until=ban_end(rules, earlier, now, chance),
            count=earlier + 1,
            because=because,
            strikes=strikes,
            language=choices.language,
            time_zone=choices.time_zone,
        )
    return None


def _strikes_by_login(
    host: Host, use: HostUse, rules: BanRules, now: datetime
) -> dict[tuple[str, str], tuple[Strike, ...]]:
    """Of each account and login, the strikes that count towards a stop of it."""
    found: dict[tuple[str, str], tuple[Strike, ...]] = {}
    for strike in strikes_within(host.strikes, rules.findtime, now):
        if stops_login(strike, use, rules) and (who := sender_of(strike)):
            found[who] = (*found.get(who, ()), strike)
    return found


def _stops_in_a_row(host: Host, who: tuple[str, str], rules: BanRules, now: datetime) -> int:
    """Stops older than fail2ban's dbpurgeage do not count."""
    earlier = host.stop_of(who)
    recent = earlier is not None and now - earlier.since < timedelta(seconds=rules.dbpurgeage)
    return earlier.count if earlier and recent else 0


def _is_stopped(host: Host, who: tuple[str, str]) -> bool:
    stop = host.stop_of(who)
    return stop is not None and not stop.over
