"""Times of stored messages: nanoseconds since 1970, written as RFC 3339 in UTC."""

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
