"""A leaf of the tree: its part, the files inside its text, its signature and encryption."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from varco_common.mime.buffer import PIECE, Buffer
from varco_common.mime.content import Content
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.embedded import MAX_EMBEDDED, Embedded, TextSearch
from varco_common.mime.encoded_words import to_text
from varco_common.mime.encodings import measure_content
from varco_common.mime.file_kinds import FAR_SAMPLE, detect_far_kind, detect_kind
from varco_common.mime.model import Part
from varco_common.mime.names import MAX_NAME, file_names
from varco_common.mime.pkcs7 import inner_names, signed_content

MESSAGES = ("message/rfc822", "message/global")  # RFC 2046 5.2.1, RFC 6532 3.7
_REPORTS_WITHOUT_PARTS = (*MESSAGES, "message/global-headers")
_UNREADABLE = {"message/partial": Defect.PARTIAL_MESSAGE, "message/external-body": Defect.EXTERNAL_BODY}
# Faster than (?i). A line that quotes another mail begins with a `>`.
_LIKE_A_HEADER = re.compile(rb"\n[^A-Za-z\n>]{0,64}+[cC][oO][nN][tT][eE][nN][tT]-[tTdD][yYiIrR]")
_MAX_LOOK = 1_024  # bytes of a file that are searched for a header: it may follow a blank line
_CALENDARS = ("text/calendar", "application/ics")
_PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_LIKE_A_PART = re.compile(
    rb"(?i)\r\n(?:content-(?:type|disposition|transfer-encoding)[ \t]*:|begin +[0-7]{3}|=ybegin )"
)


class Leaf(NamedTuple):
    """`parts` are the leaf's own part and the files inside it.

    `pgp` is the type of a PGP block in its text, `smime` the type of its S/MIME content.
    """

    parts: list[Part]
    pgp: bytes = b""
    smime: str = ""


def read_leaf(
    body: Buffer, content: Content, path: str, where: tuple[int, int], *, room: int, defects: Defects
) -> Leaf:
    """Reads the content in [where[0], where[1]); the manifest takes at most `room` parts of it."""
    start, end = where
    calendar = content.media_type in _CALENDARS
    is_text = calendar or content.media_type.startswith(("text/", "message/", "multipart/"))
    search = TextSearch(calendar=calendar) if is_text else None
    measured = measure_content(body, where, content.encoding, defects, search)
    kind = "eml" if content.media_type in MESSAGES else _kind(measured.sample)
    if _has_header(body, start, end if is_text and content.encoding != "base64" else min(end, start + _MAX_LOOK)):
        defects.add(Defect.HEADER_IN_CONTENT)
    if content.media_type.startswith("message/") and content.media_type not in _REPORTS_WITHOUT_PARTS:
        check_no_parts(body, start, end, defects)  # a report; some clients read any message/* as a mail
    if defect := _UNREADABLE.get(content.media_type):
        defects.add(defect)
    parts = [make_part(content, path, where, measured.size, kind)]
    if search and search.files:
        exact = content.encoding not in ("base64", "quoted-printable") and measured.size == end - start
        files = search.files
        if len(files) > MAX_EMBEDDED or len(files) > room - 1:
            defects.add(Defect.TOO_MANY_PARTS)
            files = files[: max(min(room - 1, MAX_EMBEDDED), 0)]
        parts += embedded_parts(files, path, where, exact, defects)
    smime = ""
    if content.media_type in _PKCS7 or kind == "pkcs7":
        parts += _signed_document(parts[0], measured.sample)
        smime = (content.smime or "enveloped-data") if content.media_type in _PKCS7 else ""
    return Leaf(parts, search.pgp if search else b"", smime)


def check_no_parts(body: Buffer, start: int, end: int, defects: Defects) -> None:
    """Adds a defect if text outside of the parts looks like a part."""
    if any(_LIKE_A_PART.search(piece) for piece in body.lines(start, end)):
        defects.add(Defect.PART_OUTSIDE)


def _has_header(body: Buffer, start: int, end: int) -> bool:
    """Whether a line looks like a field of a part's header. Some parsers search texts for these."""
    pieces = body.lines(start, end) if end - start > PIECE else (body.slice(max(start - 2, 0), end),)
    return any(_LIKE_A_HEADER.search(piece) for piece in pieces)


def make_part(content: Content, path: str, where: tuple[int, int], size: int, kind: str) -> Part:
    return Part(
        path=path,
        media_type=content.media_type,
        start=where[0],
        end=where[1],
        size=size,
        names=content.names,
        disposition=content.disposition,
        encoding=content.encoding,
        charset=content.charset,
        content_id=content.content_id,
        kind=kind,
    )


def _kind(sample: bytes) -> str:
    return detect_kind(sample) or (detect_far_kind(sample) if len(sample) >= FAR_SAMPLE else "")


def _signed_document(part: Part, sample: bytes) -> Iterator[Part]:
    """The document that a PKCS #7 file holds, if its name or its first bytes tell what it is."""
    if part.kind == "pkcs7-enveloped":
        return
    names, kind = inner_names(part.names), detect_kind(signed_content(sample))
    if names or kind:
        yield Part(
            path=f"{part.path}/1",
            media_type="application/octet-stream",
            start=part.start,
            end=part.end,
            size=part.size,
            names=names,
            disposition="attachment",
            encoding=part.encoding,
            kind=kind,
        )


def embedded_parts(
    files: Sequence[Embedded], path: str, where: tuple[int, int], exact: bool, defects: Defects
) -> Iterator[Part]:
    """The parts of files inside a text.

    Where the text is encoded (not `exact`), their offsets are the text's.
    """
    start, end = where
    for number, file in enumerate(files, 1):
        low = start + file.start if exact else start
        high = min(start + file.end if exact and file.end >= 0 else end, end)
        names = file_names([b'; name="' + file.name.replace(b'"', b"") + b'"'], defects)
        yield Part(
            path=f"{path}/{number}",
            media_type="application/octet-stream",
            start=low,
            end=high,
            size=high - low,
            names=names or (to_text(file.name)[:MAX_NAME],),
            disposition="attachment",
            encoding=file.encoding,
            kind=detect_kind(file.sample),
        )
