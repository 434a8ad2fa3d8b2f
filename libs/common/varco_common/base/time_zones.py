"""Names of time zones, as people write them."""

from zoneinfo import available_timezones


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError if it is no IANA time zone."""
    if name not in available_timezones():
        raise ValueError("a time zone such as Europe/Rome or UTC")
    return name
