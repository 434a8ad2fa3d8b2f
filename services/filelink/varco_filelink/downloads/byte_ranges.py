"""Which bytes of a file a request asks for (RFC 9110 13 and 14). Pure."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ByteRange(NamedTuple):
    """Bytes [start, end) of a file; `partial` where a range was asked for."""

    start: int
    end: int
    partial: bool = False


class UnsatisfiableRange(Exception):
    """The range lies behind the file's end."""


def requested_range(size: int, wanted: str | None, if_range: str | None, etag: str, modified: datetime) -> ByteRange:
    """One range, or the whole file where none, several or unreadable ones are asked for. Raises Unsatisfiable."""
    whole = ByteRange(0, size)
    found = _ONE.fullmatch(wanted.strip().replace(" ", "")) if wanted else None
    if not found or found[1] == found[2] == "" or (if_range and not _same(if_range, etag, modified)):
        return whole
    if not found[1]:  # the last so many bytes
        length = min(int(found[2]), size)
        if not length:
            raise UnsatisfiableRange
        return ByteRange(size - length, size, partial=True)
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < start:
        return whole  # RFC 9110 14.1.1: invalid, so it isn't there
    if start >= size:
        raise UnsatisfiableRange
    return ByteRange(start, end, partial=True)


def not_modified(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 13.1.2: compared weakly."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _same(if_range: str, etag: str, modified: datetime) -> bool:
    """RFC 9110 13.1.5: a strong tag, or the very date."""
    if if_range.startswith('"'):
        return if_range == etag
    try:
        return parsedate_to_datetime(if_range) == modified.replace(microsecond=0)
    except (TypeError, ValueError):
        return False
