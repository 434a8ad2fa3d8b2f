"""How long a ban is: fail2ban's formula (jail.conf(5), bantime.increment). Pure."""

from datetime import datetime, timedelta

from varco_common.events import BanRules

MAX_DOUBLINGS = 20  # as fail2ban's bantime.formula


def ban_seconds(rules: BanRules, earlier: int, chance: float) -> float | None:
    """The length of a ban after `earlier` bans within dbpurgeage; None means for ever.

    `chance` is in [0, 1) and scales bantime.rndtime. The length is bantime * 2^earlier *
    bantime.factor, or bantime times the entry of bantime.multipliers for that many bans.
    """
    if rules.bantime < 0:
        return None
    if not rules.bantime_increment or not earlier:
        return float(rules.bantime)
    if rules.bantime_multipliers:
        times = rules.bantime_multipliers[min(earlier, len(rules.bantime_multipliers) - 1)]
    else:
        times = (1 << min(earlier, MAX_DOUBLINGS)) * rules.bantime_factor
    seconds = rules.bantime * times + chance * rules.bantime_rndtime
    return seconds if rules.bantime_maxtime < 0 else min(seconds, rules.bantime_maxtime)


def ban_end(rules: BanRules, earlier: int, now: datetime, chance: float) -> datetime | None:
    """When a ban that begins now ends; None means for ever, or later than datetime can express."""
    seconds = ban_seconds(rules, earlier, chance)
    try:
        return None if seconds is None else now + timedelta(seconds=seconds)
    except OverflowError:
        return None
