"""Times as people give them to a command: how long ago, or when."""

from datetime import UTC, datetime, timedelta

from varco_cli.failures import Misused
from varco_common.base import units

EXPECTED = "expected how long ago (30d, 12h) or a time such as 2026-11-24, 2026-11-24T10:00 or 2026-11-24T10:00+01:00"


def moment(text: str, option: str) -> datetime:
    """UTC; what has no offset is of this machine's time zone. Raises Misused, naming the option."""
    try:
        return datetime.now(UTC) - ago(text)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misused(f"{option} {text}: {EXPECTED}") from None


def ago(text: str) -> timedelta:
    """A duration with its unit: a plain number would be seconds, or a year. Raises ValueError."""
    if text.strip().isdecimal():
        raise ValueError(EXPECTED)
    return units.parse_duration(text)
