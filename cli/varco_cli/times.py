"""Reads the times that people type, and prints times in the zone of this machine."""

import re
from datetime import UTC, datetime, timedelta

from varco_cli.failures import Misused
from varco_common.base import units

_TIMES = "a time such as 18:00, 2026-11-24, 2026-11-24T10:00 or 2026-11-24T10:00+01:00"
EXPECTED = f"expected how long ago (30d, 12h) or {_TIMES}"
LATER = f"expected how long (30d, 12h) or {_TIMES}"
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d)?")
_DAY = timedelta(days=1)


def moment(text: str, option: str) -> datetime:
    """Returns a time in UTC: how long ago, or when. Raises Misused, which names the option.

    A time without an offset is in the time zone of this machine. A time of day is the last one.
    """
    try:
        return datetime.now(UTC) - ago(text)
    except (ValueError, OverflowError):
        at = _time(text, f"{option} {text}: {EXPECTED}")
        return at - _DAY if _CLOCK.fullmatch(text) and at > datetime.now(UTC) else at


def later(text: str, option: str) -> datetime:
    """Returns a time to come in UTC: how long from now, or when. Raises Misused.

    As `moment`, but a time of day is the next one.
    """
    try:
        return datetime.now(UTC) + ago(text)
    except (ValueError, OverflowError):
        at = _time(text, f"{option} {text}: {LATER}")
        return at + _DAY if _CLOCK.fullmatch(text) and at <= datetime.now(UTC) else at


def _time(text: str, complaint: str) -> datetime:
    day = f"{datetime.now().astimezone():%Y-%m-%d}T" if _CLOCK.fullmatch(text) else ""
    try:
        return datetime.fromisoformat(day + text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misused(complaint) from None


def ago(text: str) -> timedelta:
    """Returns a duration that has a unit. Raises ValueError.

    A plain number is refused: it could mean seconds or a year.
    """
    if text.strip().isdecimal():
        raise ValueError(EXPECTED)
    return units.parse_duration(text)


def age(seconds: float) -> str:
    """Returns how long something lasted, in its two largest units: `3 days 4 h`, `12 min 7 s`."""
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}" if unit != "days" or count != 1 else "1 day")
    return " ".join(parts[:2])


def local(at: str | datetime) -> str:
    """Returns a time of an API for people: `2026-11-29 14:05:03 CET`."""
    return f"{as_local(at):%Y-%m-%d %H:%M:%S %Z}"


def as_local(at: str | datetime) -> datetime:
    """Returns a time of an API in the zone of this machine, if that has such a time."""
    known = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    try:
        return known.astimezone()
    except (OverflowError, ValueError):
        return known
