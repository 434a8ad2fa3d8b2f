"""The rules as people write them: fail2ban's names and values (jail.conf(5)), read and shown."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from varco_common.base.errors import RefusedCommand
from varco_common.base.units import format_duration, parse_duration
from varco_common.events import BanRules, StrikeCause

FOR_EVER = -1
_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_STRIKE = "strike."


class RuleSetting(NamedTuple):
    """One setting: its field, how it is read (ValueError says what is expected), how it is shown, what it is."""

    field: str
    read: Callable[[str], Any]
    show: Callable[[Any], str]
    about: str


def seconds(text: str) -> int:
    """A duration in seconds; -1 is for ever. Raises ValueError."""
    return FOR_EVER if text.strip() == str(FOR_EVER) else round(parse_duration(text).total_seconds())


def for_people(seconds: int) -> str:
    return str(FOR_EVER) if seconds < 0 else format_duration(parse_duration(seconds))


def changed_rules(rules: BanRules, given: Mapping[str, object]) -> BanRules:
    """The rules with what is given changed. Raises RefusedCommand, naming the setting and what is expected."""
    changes: dict[str, Any] = {}
    strikes = dict(rules.strikes)
    for name, value in given.items():
        text = str(value).strip().lower()
        try:
            if name.startswith(_STRIKE):
                strikes[StrikeCause(name.removeprefix(_STRIKE))] = _weight(text)
            else:
                word = RULE_SETTINGS[name]
                changes[word.field] = word.read(text)
        except KeyError:
            raise RefusedCommand(f"{name}: no such setting; there are {', '.join(shown_rules(rules))}") from None
        except ValueError as error:
            raise RefusedCommand(f"{name}={value}: {error}") from None
    return replace(rules, **changes, strikes=strikes)


def shown_rules(rules: BanRules) -> dict[str, str]:
    """Every setting by its name, as `read` takes it."""
    shown = {name: word.show(getattr(rules, word.field)) for name, word in RULE_SETTINGS.items()}
    return shown | {f"{_STRIKE}{cause.value}": str(rules.strikes.get(cause, 1)) for cause in StrikeCause}


def _weight(text: str) -> int:
    if text in ("off", "false", "no"):
        return 0
    return 1 if text in ("on", "true", "yes") else _number(0)(text)


def _number(least: int) -> Callable[[str], int]:
    def read_number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f"expected a number, {least} or more")
        return int(text)

    return read_number


def _span(least: int, *, endless: bool) -> Callable[[str], int]:
    def read_span(text: str) -> int:
        found = seconds(text)
        if found == FOR_EVER and endless:
            return found
        if found < least:
            raise ValueError(f"expected {least} seconds or more" + (", or -1 for ever" if endless else ""))
        return found

    return read_span


def _switch(text: str) -> bool:
    if text not in _YES:
        raise ValueError("expected true or false")
    return _YES[text]


def _factor(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise ValueError("expected a number above 0")
    return found


def _factors(text: str) -> tuple[float, ...]:
    return tuple(map(_factor, text.split()))


RULE_SETTINGS = {
    "maxretry": RuleSetting("maxretry", _number(1), str, "Strikes within findtime that ban."),
    "findtime": RuleSetting("findtime", _span(1, endless=False), for_people, "How long a strike counts."),
    "bantime": RuleSetting("bantime", _span(1, endless=True), for_people, "How long the first ban is; -1 for ever."),
    "bantime.increment": RuleSetting(
        "bantime_increment", _switch, lambda on: str(on).lower(), "Whether each ban is longer than the one before."
    ),
    "bantime.factor": RuleSetting(
        "bantime_factor", _factor, "{:g}".format, "By what the growth of 2, 4, 8 ... is multiplied."
    ),
    "bantime.multipliers": RuleSetting(
        "bantime_multipliers",
        _factors,
        lambda many: " ".join(map("{:g}".format, many)),
        "The growth, written out: 1 5 30 60. Empty: 1, 2, 4, 8 ...",
    ),
    "bantime.maxtime": RuleSetting(
        "bantime_maxtime", _span(1, endless=True), for_people, "The longest ban; -1: no limit."
    ),
    "bantime.rndtime": RuleSetting(
        "bantime_rndtime", _span(0, endless=False), for_people, "By chance up to this is added to grown bans."
    ),
    "dbpurgeage": RuleSetting(
        "dbpurgeage", _span(1, endless=False), for_people, "How long a ban is remembered for the next one's length."
    ),
    "guard.maxhosts": RuleSetting(
        "guard_maxhosts", _number(2), str, "Unknown hosts failing at one login within findtime that guard it."
    ),
    "guard.bantime": RuleSetting(
        "guard_bantime", _span(1, endless=False), for_people, "How long unknown hosts then wait for their turn at it."
    ),
}
