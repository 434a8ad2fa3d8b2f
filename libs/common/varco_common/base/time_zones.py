"""Time zones, and times in them, as people write them."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo, available_timezones

from varco_common.base.errors import RefusedCommand


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError if it is no IANA time zone."""
    if name not in available_timezones():
        raise ValueError("a time zone such as Europe/Rome or UTC")
    return name


def in_utc(until: datetime | date, zone: str) -> datetime:
    """A time without an offset is one in the zone, a date its first moment there.

    Raises RefusedCommand for a time beyond every calendar.
    """
    at = until if isinstance(until, datetime) else datetime.combine(until, time())
    try:
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except OverflowError:
        raise RefusedCommand(f"{at.isoformat()} is beyond every calendar") from None
