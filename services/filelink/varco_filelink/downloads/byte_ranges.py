"""Which bytes of a file a request asks for (RFC 9110 13 and 14). Pure."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ByteRange(NamedTuple):
    """Bytes [start, end) of a file; `partial` if a range was asked for."""

    start: int
    end: int
    partial: bool = False


class UnsatisfiableRange(Exception):
    """The range begins behind the end of the file."""


def requested_range(size: int, header: str | None, if_range: str | None, etag: str, modified: datetime) -> ByteRange:
    """The range in the header; the whole file if there is none, several, or an invalid one.

    Raises UnsatisfiableRange.
    """
    whole = ByteRange(0, size)
    match = _SINGLE_RANGE.fullmatch(header.strip().replace(" ", "")) if header else None
    if not match or match[1] == match[2] == "" or (if_range and not _is_current(if_range, etag, modified)):
        return whole
    if not match[1]:  # a suffix: the last bytes
        length = min(int(match[2]), size)
        if not length:
            raise UnsatisfiableRange
        return ByteRange(size - length, size, partial=True)
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return whole  # RFC 9110 14.1.1: invalid, so it is ignored
    if start >= size:
        raise UnsatisfiableRange
    return ByteRange(start, end, partial=True)


def not_modified(if_none_match: str | None, etag: str) -> bool:
    """Compares weakly, as RFC 9110 13.1.2 wants it."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _is_current(if_range: str, etag: str, modified: datetime) -> bool:
    """RFC 9110 13.1.5: a strong tag, or the exact date."""
    if if_range.startswith('"'):
        return if_range == etag
    try:
        return parsedate_to_datetime(if_range) == modified.replace(microsecond=0)
    except (TypeError, ValueError, OverflowError):  # the year 99999999999
        return False
