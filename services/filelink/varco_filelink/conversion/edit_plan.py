"""What is to be done to a mail, by offsets of its stored body: which ranges go, what stands there instead."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from varco_common.base.errors import PoisonError
from varco_common.mail.link_eligibility import inside_message, shown_text
from varco_common.mail.record import MailAccepted
from varco_common.mime import Manifest, Part
from varco_filelink.conversion.body_source import BodySource
from varco_filelink.conversion.notice_insertion import notice_part, with_notice, without_content_fields
from varco_filelink.conversion.notice_text import LinkNotice

MAX_TEXT = 4 * 1024 * 1024  # bytes of an encoded text that the notice is put into; a larger one is left as it is
_WINDOWS = (4_096, 160 * 1024)  # bytes before a part's content in which its header begins
_MAX_DELIMITER = 4_096


class BodyEdit(NamedTuple):
    """[start, end) of the stored body becomes `instead`.

    `part` is the file whose content lies there, from `content` on to `end`; None where a text is edited.
    """

    start: int
    end: int
    instead: bytes
    part: Part | None = None
    content: int = 0


async def plan_edits(
    source: BodySource, record: MailAccepted, parts: Sequence[Part], block: LinkNotice
) -> list[BodyEdit]:
    """All edits in the order of their offsets. Raises PoisonError where the body isn't what its manifest says."""
    manifest, shift = record.manifest, record.body.shift
    texts, lacking = await _texts(source, record, block)
    own = lacking or not texts
    found = texts
    empty = _emptied(manifest, parts)
    for place, part in enumerate(parts):
        stays = part.path in empty or (own and place == 0)
        found.append(await _edit(source, manifest, shift, part, notice_part(block) if stays else b""))
    found.sort(key=lambda edit: edit.start)
    if any(one.end > two.start for one, two in pairwise(found)):
        raise PoisonError("the parts of this mail overlap")
    return found


async def _texts(source: BodySource, record: MailAccepted, block: LinkNotice) -> tuple[list[BodyEdit], bool]:
    """The texts with their notice, and whether one of them can't have it."""
    found: list[BodyEdit] = []
    lacking = False
    shift = record.body.shift
    for part in last_shown_texts(record.manifest):
        start, end = part.start + shift, part.end + shift
        content = await source.read(start, end) if end - start <= MAX_TEXT else None
        instead = None if content is None else with_notice(content, part, block, eight_bit=record.envelope.eight_bit)
        if instead is None:
            lacking = True
        else:
            found.append(BodyEdit(start, end, instead))
    return found, lacking


def last_shown_texts(manifest: Manifest) -> list[Part]:
    """The last plain text and the last HTML that clients show: the mail's end, whichever of the two they show."""
    last: dict[str, Part] = {}
    for part in manifest.parts:
        if shown_text(part) and not inside_message(part, manifest):
            last[part.media_type] = part
    return [*last.values()]


def _emptied(manifest: Manifest, parts: Sequence[Part]) -> set[str]:
    """The first of the parts of each multipart that would have no part left."""
    going = {part.path for part in parts}
    found: dict[str, str] = {}
    for part in parts:
        above = part.path.rpartition(".")[0]
        prefix = f"{above}." if above else ""
        siblings = [one.path for one in manifest.parts if one.path.startswith(prefix) and "/" not in one.path]
        if all(any(path == gone or path.startswith(f"{gone}.") for gone in going) for path in siblings if _leaf(path)):
            found.setdefault(prefix, part.path)
    return set(found.values())


def _leaf(path: str) -> bool:
    """Not the number that a named multipart has."""
    return path.rpartition(".")[2] != "0"


async def _edit(source: BodySource, manifest: Manifest, shift: int, part: Part, instead: bytes) -> BodyEdit:
    start, end = part.start + shift, part.end + shift
    if part.start <= manifest.header_end + 2:
        return await _root(source, manifest.header_end + shift, part, start, instead)
    line = (await source.read(end, end + _MAX_DELIMITER)).removeprefix(b"\r\n").partition(b"\r\n")[0].rstrip()
    if not line.startswith(b"--"):
        raise PoisonError(f"no delimiter behind part {part.path}")
    for window in _WINDOWS:
        low = max(start - window, 0)
        before = await source.read(low, start)
        at = _delimiter(before, line)
        if at >= 0:
            begin = low + at
            break
    else:
        raise PoisonError(f"no delimiter before part {part.path}")
    if instead:
        header = before[at:].find(b"\r\n", 2) + 2  # behind the delimiter's line
        return BodyEdit(begin + header, end, instead, part, start)
    return BodyEdit(begin, end, b"", part, start)


def _delimiter(before: bytes, line: bytes) -> int:
    """The offset of the CRLF before the last delimiter line; `line` may be the closing one."""
    for boundary in dict.fromkeys((line, line.removesuffix(b"--"))):
        at = len(before)
        while (at := before.rfind(b"\r\n" + boundary, 0, at)) >= 0:
            rest = before[at + 2 + len(boundary) :].partition(b"\r\n")[0]
            if not rest.strip(b" \t"):
                return at
    return -1


async def _root(source: BodySource, header_end: int, part: Part, start: int, instead: bytes) -> BodyEdit:
    """The mail is the file: its header says what its body is."""
    header = without_content_fields(await source.read(0, header_end))
    if b"mime-version" not in header.lower():
        header += b"MIME-Version: 1.0\r\n"
    return BodyEdit(0, part.end + start - part.start, header + instead, part, start)
