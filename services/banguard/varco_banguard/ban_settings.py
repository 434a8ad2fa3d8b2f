"""The rules, and the networks that are ignored: what banguard goes by. And how long a ban is."""

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AnyEvent,
    BanRules,
    BanRulesChanged,
    NetworkIgnored,
    NetworkUnignored,
    Strike,
)
from varco_common.events.ban_table import address_of, network_of

MOST_DOUBLINGS = 20  # as fail2ban's bantime.formula


class IgnoredNetwork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network whose failures don't count; with an `account`, only those that concern it."""

    network: str
    since: datetime
    account: str = ""
    by: str = ""
    reason: str = ""

    def covers(self, strike: Strike) -> bool:
        if self.account and self.account not in strike.accounts:
            return False
        address, network = address_of(strike.host), network_of(self.network)
        return address.version == network.version and address in network


class BanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The gate's own state: there is one."""

    rules: BanRules = msgspec.field(default_factory=BanRules)
    ignored: tuple[IgnoredNetwork, ...] = ()


def apply(gate: BanSettings | None, event: AnyEvent) -> BanSettings:
    gate = gate or BanSettings()
    match event:
        case BanRulesChanged(rules=rules):
            return replace(gate, rules=rules)
        case NetworkIgnored():
            new = IgnoredNetwork(
                network=event.network, since=event.at, account=event.account, by=event.by, reason=event.reason
            )
            return replace(gate, ignored=(*_others(gate, event), new))
        case NetworkUnignored():
            return replace(gate, ignored=_others(gate, event))
        case _:
            return gate


def ban_seconds(rules: BanRules, earlier: int, chance: float) -> float | None:
    """How long a host is banned that was banned `earlier` times within dbpurgeage; None is for ever.

    `chance` is from [0, 1). As fail2ban: bantime * 2^earlier * bantime.factor, or bantime.multipliers in turn.
    """
    if rules.bantime < 0:
        return None
    if not rules.bantime_increment or not earlier:
        return float(rules.bantime)
    if rules.bantime_multipliers:
        times = rules.bantime_multipliers[min(earlier, len(rules.bantime_multipliers) - 1)]
    else:
        times = (1 << min(earlier, MOST_DOUBLINGS)) * rules.bantime_factor
    seconds = rules.bantime * times + chance * rules.bantime_rndtime
    return seconds if rules.bantime_maxtime < 0 else min(seconds, rules.bantime_maxtime)


def ban_end(rules: BanRules, earlier: int, now: datetime, chance: float) -> datetime | None:
    """When a ban that begins now ends; for ever, too, where no calendar goes as far."""
    seconds = ban_seconds(rules, earlier, chance)
    try:
        return None if seconds is None else now + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _others(gate: BanSettings, event: NetworkIgnored | NetworkUnignored) -> tuple[IgnoredNetwork, ...]:
    about = event.network, event.account
    return tuple(ignored for ignored in gate.ignored if (ignored.network, ignored.account) != about)
