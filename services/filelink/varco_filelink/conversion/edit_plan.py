"""Plans the conversion of a mail: which ranges of its stored body are replaced, and by what."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from varco_common.base.errors import PoisonError
from varco_common.mail.link_eligibility import inside_message, shown_text
from varco_common.mail.record import MailAccepted
from varco_common.mime import Manifest, Part
from varco_filelink.conversion.body_source import BodySource
from varco_filelink.conversion.notice_insertion import (
    holds,
    notice_part,
    reencoded_with_notice,
    with_notice,
    without_content_fields,
)
from varco_filelink.conversion.notice_text import LinkNotice

MAX_TEXT = 4 * 1024 * 1024  # bytes of an encoded text; a larger one gets no notice
_WINDOWS = (4_096, 160 * 1024)  # bytes before a part's content that are searched for its header
_MAX_DELIMITER = 4_096


class BodyEdit(NamedTuple):
    """[start, end) of the stored body becomes `instead`.

    `part` is the file whose content lies in [content, end); None if a text is edited.
    """

    start: int
    end: int
    instead: bytes
    part: Part | None = None
    content: int = 0


async def plan_edits(
    source: BodySource, record: MailAccepted, parts: Sequence[Part], notice: LinkNotice
) -> list[BodyEdit]:
    """All edits in ascending order. Raises PoisonError if the body does not match its manifest."""
    manifest, shift = record.manifest, record.body.shift
    edits, complete = await _edit_texts(source, record, notice)
    needs_part = not complete or not edits
    emptied = _first_of_emptied(manifest, parts)
    for number, part in enumerate(parts):
        becomes_notice = part.path in emptied or (needs_part and number == 0)
        edits.append(await _edit_file(source, manifest, shift, part, notice_part(notice) if becomes_notice else b""))
    edits.sort(key=lambda edit: edit.start)
    if any(first.end > second.start for first, second in pairwise(edits)):
        raise PoisonError("the parts of this mail overlap")
    return edits


async def _edit_texts(source: BodySource, record: MailAccepted, notice: LinkNotice) -> tuple[list[BodyEdit], bool]:
    """The texts with the notice, and whether every text could take it."""
    edits: list[BodyEdit] = []
    complete = True
    shift = record.body.shift
    for part in last_shown_texts(record.manifest):
        start, end = part.start + shift, part.end + shift
        content = await source.read(start, end) if end - start <= MAX_TEXT else None
        if content is None or (edit := await _edit_text(source, record, part, content, notice)) is None:
            complete = False
        else:
            edits.append(edit)
    return edits, complete


async def _edit_text(
    source: BodySource, record: MailAccepted, part: Part, content: bytes, notice: LinkNotice
) -> BodyEdit | None:
    """The text with the notice; in another encoding if its own cannot hold the files' names."""
    start, end = part.start + record.body.shift, part.end + record.body.shift
    eight_bit = record.envelope.eight_bit
    is_root = part.start <= record.manifest.header_end + 2
    if not is_root and not holds(part, notice, eight_bit=eight_bit):
        delimiter = await _delimiter(source, part, start, end)
        header_start = delimiter.start + delimiter.before.find(b"\r\n", 2) + 2
        header = (await source.read(header_start, start)).removesuffix(b"\r\n")
        if (instead := reencoded_with_notice(header, content, part, notice)) is not None:
            return BodyEdit(header_start, end, instead)
    instead = with_notice(content, part, notice, eight_bit=eight_bit)
    return None if instead is None else BodyEdit(start, end, instead)


def last_shown_texts(manifest: Manifest) -> list[Part]:
    """The last plain text and the last HTML: a client shows either at the end of the mail."""
    last: dict[str, Part] = {}
    for part in manifest.parts:
        if shown_text(part) and not inside_message(part, manifest):
            last[part.media_type] = part
    return [*last.values()]


def _first_of_emptied(manifest: Manifest, parts: Sequence[Part]) -> set[str]:
    """For each multipart that would lose all its parts, the first of them."""
    removed = {part.path for part in parts}
    first: dict[str, str] = {}
    for part in parts:
        above = part.path.rpartition(".")[0]
        prefix = f"{above}." if above else ""
        siblings = [other.path for other in manifest.parts if other.path.startswith(prefix) and "/" not in other.path]
        if all(
            any(path == gone or path.startswith(f"{gone}.") for gone in removed) for path in siblings if _is_leaf(path)
        ):
            first.setdefault(prefix, part.path)
    return set(first.values())


def _is_leaf(path: str) -> bool:
    """False for the number that a named multipart has."""
    return path.rpartition(".")[2] != "0"


async def _edit_file(source: BodySource, manifest: Manifest, shift: int, part: Part, instead: bytes) -> BodyEdit:
    start, end = part.start + shift, part.end + shift
    if part.start <= manifest.header_end + 2:
        return await _edit_root(source, manifest.header_end + shift, part, start, instead)
    delimiter = await _delimiter(source, part, start, end)
    at = delimiter.start
    if instead:
        at += delimiter.before.find(b"\r\n", 2) + 2  # the delimiter line stays
    return BodyEdit(at, end, instead, part, start)


class _Delimiter(NamedTuple):
    """`start` is the offset of the CRLF before the delimiter line; `before` begins there."""

    start: int
    before: bytes


async def _delimiter(source: BodySource, part: Part, start: int, end: int) -> _Delimiter:
    """The delimiter in front of a part's header, by the one behind the part. Raises PoisonError."""
    line = (await source.read(end, end + _MAX_DELIMITER)).removeprefix(b"\r\n").partition(b"\r\n")[0].rstrip()
    if not line.startswith(b"--"):
        raise PoisonError(f"no delimiter behind part {part.path}")
    for window in _WINDOWS:
        low = max(start - window, 0)
        before = await source.read(low, start)
        at = _find_delimiter(before, line)
        if at >= 0:
            return _Delimiter(low + at, before[at:])
    raise PoisonError(f"no delimiter before part {part.path}")


def _find_delimiter(before: bytes, line: bytes) -> int:
    """The offset of the CRLF before the last delimiter line, or -1."""
    for boundary in dict.fromkeys((line, line.removesuffix(b"--"))):
        at = len(before)
        while (at := before.rfind(b"\r\n" + boundary, 0, at)) >= 0:
            behind = at + 2 + len(boundary)
            line_end = before.find(b"\r\n", behind)
            if not before[behind : line_end if line_end >= 0 else None].strip(b" \t"):
                return at
    return -1


async def _edit_root(source: BodySource, header_end: int, part: Part, start: int, instead: bytes) -> BodyEdit:
    """The whole mail is the file, whose content fields are in the header of the mail."""
    header = without_content_fields(await source.read(0, header_end))
    if b"mime-version" not in header.lower():
        header += b"MIME-Version: 1.0\r\n"
    return BodyEdit(0, part.end + start - part.start, header + instead, part, start)
