"""Sizes and durations as people write them: `20MB`, `10m`, `7 days`."""

import re
from datetime import timedelta

MAX_SEQUENCE = 9_007_199_254_740_991  # the largest integer that a JSON number holds exactly (RFC 8259 6)
SIZE_EXPECTED = "a size such as 20MB, 256 KiB or 1000000"
DURATION_EXPECTED = "a duration such as 30s, 10m, 1 day or 12 months"

_SIZES = {
    "": 1,
    "b": 1,
    "byte": 1,
    "bytes": 1,
    **{unit: 1000**power for power, unit in enumerate(("kb", "mb", "gb", "tb"), 1)},
    **{unit: 1000**power for power, unit in enumerate(("k", "m", "g", "t"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), 1)},
}
_SECONDS = {
    ("ms", "millisecond", "milliseconds"): 0.001,
    ("", "s", "sec", "second", "seconds"): 1,
    ("m", "min", "minute", "minutes"): 60,
    ("h", "hour", "hours"): 3600,
    ("d", "day", "days"): 86_400,
    ("w", "week", "weeks"): 7 * 86_400,
    ("month", "months"): 365 * 86_400 / 12,  # so that twelve months are a year
    ("y", "year", "years"): 365 * 86_400,
}
_DURATIONS = {word: seconds for words, seconds in _SECONDS.items() for word in words}
_NUMBER_AND_UNIT = re.compile(r"\s*+(\d++(?:\.\d++)?+)\s*+([a-z]*+)\s*+", re.ASCII | re.IGNORECASE)


def parse_size(text: str | int) -> int:
    """A number of bytes. `MB` is a million, `MiB` is 1,048,576.

    Raises ValueError; its text says what is expected.
    """
    return round(_parse(str(text), _SIZES, SIZE_EXPECTED))


def parse_duration(text: str | float | timedelta) -> timedelta:
    """A plain number means seconds; a month is a twelfth of 365 days.

    Raises ValueError; its text says what is expected.
    """
    if isinstance(text, timedelta):
        return text
    seconds = _parse(str(text), _DURATIONS, DURATION_EXPECTED)
    if seconds > timedelta.max.total_seconds():
        raise ValueError(DURATION_EXPECTED)
    return timedelta(seconds=seconds)


def format_size(size: int) -> str:
    """The shortest text for which `parse_size` gives this number: `20MB`, `1MiB`, `1234`."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size and size % _SIZES[unit.lower()] == 0:
            return f"{size // _SIZES[unit.lower()]}{unit}"
    return str(size)


def format_duration(duration: timedelta) -> str:
    """A text for which `parse_duration` gives this duration: `7 days`, `1 hour`."""
    seconds = duration.total_seconds()
    for unit in ("week", "day", "hour", "minute"):
        if seconds and seconds % _DURATIONS[unit] == 0:
            return counted(seconds / _DURATIONS[unit], unit)
    return counted(seconds, "second")


def counted(count: float, noun: str) -> str:
    """`1 entry`, `2 entries`, `3 days`."""
    number = int(count) if count == int(count) else count
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _parse(text: str, units: dict[str, float] | dict[str, int], expected: str) -> float:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if not match or match[2].lower() not in units:
        raise ValueError(expected)
    number = float(match[1]) if "." in match[1] else int(match[1])
    return number * units[match[2].lower()]
