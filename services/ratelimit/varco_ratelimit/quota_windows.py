"""The windows of limits: which mails count now, and when a mail stops counting.

Times are milliseconds since 1970.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import assert_never
from zoneinfo import ZoneInfo

from varco_common.events import Window

HOUR = 3_600_000
DAY = 24 * HOUR
LONGEST = DAY + 2 * HOUR  # a calendar day with a change of clocks, and some room

_DURATIONS = {Window.HOUR: HOUR, Window.DAY: DAY}


def since(window: Window, zone: str, now: int) -> int:
    """Mails stored at this time or later count at `now`."""
    match window:
        case Window.HOUR | Window.DAY:
            return now - _DURATIONS[window] + 1
        case Window.CALENDAR_DAY:
            return _midnights(zone, _date(zone, now))[0]
        case _:
            assert_never(window)


def frees(window: Window, zone: str, at: int) -> int:
    """When a mail that was stored `at` stops counting."""
    match window:
        case Window.HOUR | Window.DAY:
            return at + _DURATIONS[window]
        case Window.CALENDAR_DAY:
            return _midnights(zone, _date(zone, at))[1]
        case _:
            assert_never(window)


def text(window: Window) -> str:
    """The window in the answer to a client."""
    return "1 day" if window is Window.CALENDAR_DAY else window.value


def local_time(zone: str, at: int) -> str:
    """A time for people, in the account's time zone.

    It is rounded up to the second, so that a client does not come too early.
    """
    return datetime.fromtimestamp(-(-at // 1000), ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %z")


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def moment(at: int) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


def _date(zone: str, now: int) -> int:
    return datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).toordinal()


@lru_cache(maxsize=4096)
def _midnights(zone: str, day: int) -> tuple[int, int]:
    """The begin of a day, and of the next one.

    A midnight that the clocks jump over is the moment of the jump. Of one that comes twice the
    first counts (PEP 495, fold 0).
    """
    first = datetime.fromordinal(day).replace(tzinfo=ZoneInfo(zone))
    return milliseconds(first), milliseconds(first + timedelta(days=1))
