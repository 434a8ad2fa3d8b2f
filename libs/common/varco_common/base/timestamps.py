"""Times of stored messages, in nanoseconds since 1970 and as RFC 3339, and times in requests."""

from datetime import UTC, datetime

_BILLION = 1_000_000_000


def time_text(at: int) -> str:
    """The time as RFC 3339, UTC, with nanoseconds."""
    seconds, rest = divmod(at, _BILLION)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def nanoseconds(text: str) -> int:
    """Parses an RFC 3339 time in UTC with up to nine digits of a second. Raises ValueError."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or len(whole) != 19 or len(fraction) > 9 or (fraction and not fraction.isdecimal()):
        raise ValueError(f"no time in UTC: {text!r}")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * _BILLION + int(f"{fraction:0<9}")


def as_utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC, whatever the zone of this machine."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
