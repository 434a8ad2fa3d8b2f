"""The ban rules by fail2ban's names and values (jail.conf(5)): parsed and shown."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from varco_common.base.errors import RefusedCommand
from varco_common.base.units import format_duration, parse_duration
from varco_common.events import BanRules, StrikeCause

FOR_EVER = -1
STRIKE_ABOUT = "What such a failure weighs; 0 or off: it is no strike."
_STRIKE = "strike."
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class RuleSetting(NamedTuple):
    """One setting: its field in BanRules, its parser, its formatter, and its help text.

    The parser raises ValueError, whose text says what is expected.
    """

    field: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    about: str


def parse_seconds(text: str) -> int:
    """A duration in seconds; -1 means for ever. Raises ValueError."""
    return FOR_EVER if text.strip() == str(FOR_EVER) else round(parse_duration(text).total_seconds())


def changed_rules(rules: BanRules, given: Mapping[str, object]) -> BanRules:
    """The rules with the given settings changed.

    Raises RefusedCommand, which names the setting and what is expected.
    """
    changes: dict[str, Any] = {}
    strikes = dict(rules.strikes)
    for name, value in given.items():
        text = str(value).strip().lower()
        try:
            if name.startswith(_STRIKE):
                strikes[StrikeCause(name.removeprefix(_STRIKE))] = _weight(text)
            else:
                setting = RULE_SETTINGS[name]
                changes[setting.field] = setting.parse(text)
        except KeyError:
            raise RefusedCommand(f"{name}: no such setting; there are {', '.join(shown_rules(rules))}") from None
        except ValueError as error:
            raise RefusedCommand(f"{name}={value}: {error}") from None
    return replace(rules, **changes, strikes=strikes)


def shown_rules(rules: BanRules) -> dict[str, str]:
    """The value of every setting by its name, as `changed_rules` takes it."""
    shown = {name: setting.show(getattr(rules, setting.field)) for name, setting in RULE_SETTINGS.items()}
    return shown | {f"{_STRIKE}{cause.value}": str(rules.strikes.get(cause, 1)) for cause in StrikeCause}


def _show_seconds(seconds: int) -> str:
    return str(FOR_EVER) if seconds < 0 else format_duration(parse_duration(seconds))


def _weight(text: str) -> int:
    return _number(0)({"off": "0", "false": "0", "no": "0", "on": "1", "true": "1", "yes": "1"}.get(text, text))


def _number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f"expected a number, {least} or more")
        return int(text)

    return parse


def _seconds(least: int, *, endless: bool = False) -> Callable[[str], int]:
    def parse(text: str) -> int:
        seconds = parse_seconds(text)
        if seconds < least and not (endless and seconds == FOR_EVER):
            raise ValueError(f"expected {least} seconds or more" + (", or -1 for ever" if endless else ""))
        return seconds

    return parse


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError("expected true or false")
    return _BOOLEANS[text]


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 1e6:
        raise ValueError("expected a number above 0")
    return factor


def _duration(field: str, least: int, about: str, *, endless: bool = False) -> RuleSetting:
    return RuleSetting(field, _seconds(least, endless=endless), _show_seconds, about)


RULE_SETTINGS = {
    "maxretry": RuleSetting("maxretry", _number(1), str, "Strikes within findtime that ban."),
    "findtime": _duration("findtime", 1, "How long a strike counts."),
    "bantime": _duration("bantime", 1, "How long the first ban is; -1 for ever.", endless=True),
    "bantime.increment": RuleSetting(
        "bantime_increment", _boolean, lambda on: str(on).lower(), "Whether each ban is longer than the one before."
    ),
    "bantime.factor": RuleSetting(
        "bantime_factor", _factor, "{:g}".format, "The growth of 2, 4, 8 ... is multiplied by this."
    ),
    "bantime.multipliers": RuleSetting(
        "bantime_multipliers",
        lambda text: tuple(map(_factor, text.split())),
        lambda multipliers: " ".join(map("{:g}".format, multipliers)),
        "The growth, written out: 1 5 30 60. Empty: 1, 2, 4, 8 ...",
    ),
    "bantime.maxtime": _duration("bantime_maxtime", 1, "The longest ban; -1: no limit.", endless=True),
    "bantime.rndtime": _duration("bantime_rndtime", 0, "Up to this is added to grown bans, by chance."),
    "dbpurgeage": _duration("dbpurgeage", 1, "How long a ban makes the next one longer."),
    "count.repeats": RuleSetting(
        "count_repeats",
        _boolean,
        lambda on: str(on).lower(),
        "Whether wrong credentials that a host repeats within findtime, in another session, are strikes again.",
    ),
    "shared.logins": RuleSetting(
        "shared_logins",
        lambda text: 0 if text == "off" else _number(1)(text),
        lambda logins: str(logins or "off"),
        "From a host that so many logins were used from within a week, unauthorised senders stop their login, and "
        "do not ban the host. off: they ban it.",
    ),
    "shared.networks": RuleSetting(
        "shared_networks",
        _boolean,
        lambda on: str(on).lower(),
        "Whether the same holds for every host in a trusted network.",
    ),
    "guard.maxhosts": RuleSetting(
        "guard_maxhosts", _number(2), str, "A login at which so many unknown hosts fail within findtime is guarded."
    ),
    "guard.bantime": _duration("guard_bantime", 1, "How long unknown hosts then wait for their turn at that login."),
}
