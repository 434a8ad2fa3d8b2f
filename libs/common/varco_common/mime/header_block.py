"""Where a header begins and ends, and its fields."""

import re
from typing import NamedTuple

from varco_common.mime.buffer import Buffer
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.delimiters import Delimiters
from varco_common.mime.headers import Fields, parse_fields

_MAX_LOOK = 2_048  # bytes behind an empty header that are looked at
_BLANKS_AND_FIELDS = rb"(?i)[\r\n \t]*(?:[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*?"
_MAIL_BEHIND_BLANKS = re.compile(_BLANKS_AND_FIELDS + rb"(?:content-[a-z-]+|from|sender)[ \t]*:")
_PART_BEHIND_BLANKS = re.compile(_BLANKS_AND_FIELDS + rb"content-[a-z-]+[ \t]*:")
MAX_HEADER = 128 * 1024  # bytes of one header that are parsed


class HeaderBlock(NamedTuple):
    """`end` is where the last field ends, `content_start` where the content begins."""

    content_start: int
    end: int
    fields: Fields


def read_mail_header(body: Buffer, defects: Defects) -> HeaderBlock:
    """The header of the mail itself, however long it is.

    Without an end, all of the mail is header.
    """
    if body.slice(0, 2) == b"\r\n":
        if _MAIL_BEHIND_BLANKS.match(body.slice(0, _MAX_LOOK)):
            defects.add(Defect.BLANK_BEFORE_HEADER)
        return _block(body, 0, 0, 2, defects)
    at = body.find(b"\r\n\r\n", 0, body.size)
    return _block(body, 0, at + 2, at + 4, defects) if at >= 0 else _block(body, 0, body.size, body.size, defects)


def read_part_header(body: Buffer, delimiters: Delimiters, start: int, defects: Defects) -> HeaderBlock:
    """The header of a part. It is unfinished if a delimiter or MAX_HEADER ends it."""
    limit = min(start + MAX_HEADER, body.size)
    if body.slice(start, start + 2) == b"\r\n" and _PART_BEHIND_BLANKS.match(body.slice(start, start + _MAX_LOOK)):
        defects.add(Defect.BLANK_BEFORE_HEADER)
    at = body.find(b"\r\n\r\n", start - 2, limit)
    stop = at if at >= 0 else limit
    if delimiter := delimiters.next(start - 2, max(start, stop)):
        defects.add(Defect.HEADER_UNFINISHED)
        return _block(body, start, delimiter.start, delimiter.start + 2, defects)
    if at >= 0:
        return _block(body, start, at + 2, at + 4, defects)
    defects.add(Defect.HEADER_UNFINISHED)
    return _block(body, start, stop, stop, defects)


def _block(body: Buffer, start: int, end: int, content_start: int, defects: Defects) -> HeaderBlock:
    end = max(end, start)
    block = body.slice(start, min(end, start + MAX_HEADER))
    if end - start > MAX_HEADER:
        defects.add(Defect.HEADER_TOO_LONG)
        block = block[: max(block.rfind(b"\r\n"), 0)]
    return HeaderBlock(content_start, end, parse_fields(block.removesuffix(b"\r\n"), defects))
