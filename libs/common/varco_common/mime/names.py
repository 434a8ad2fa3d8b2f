"""Every name that a mail client could take for a part's file name. The likeliest comes first."""

import re
from collections.abc import Collection, Iterable, Iterator

from varco_common.mime.defects import Defect, Defects
from varco_common.mime.encoded_words import decode_encoded_words
from varco_common.mime.headers import MAX_FIELD
from varco_common.mime.name_parameters import MAX_VALUE, name_readings
from varco_common.mime.text_readings import text_readings

MAX_NAMES = 12  # of one part
MAX_NAME = 255  # characters
_MAX_READINGS = 60  # of one field, equal ones included

# What some parsers accept: the parameter's name in quotes, a colon or nothing in place of the "=".
_FORGIVEN = re.compile(
    rb"""(;\s*|\A\s*)(?:(["'])((?:file)?name(?:\*[0-9]*\*?)?)\2\s*[=:]|((?:file)?name(?:\*[0-9]*\*?)?)\s*(?::|(?=")))""",
    re.IGNORECASE,
)
_COMMENT_INSIDE = re.compile(rb"(?<=[A-Za-z*0-9])\([^()]*\)(?=[A-Za-z*0-9])")  # `filena(x)me=`
# U+2066, 2068 and 2069 isolate a name from the text around it (iOS, WhatsApp) and turn nothing.
_ISOLATES = re.compile("[\u2066\u2068\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2067]")
_HALF_WORD = re.compile(r"=\?([^?]{0,80})\?([bBqQ])[^?]{0,80}\?([^?]*)(?:\?=?)?")
_WORD_BEGIN = re.compile(rb"=\?[^?]{0,80}\?[bBqQ]\?")
_SEPARATOR = re.compile(r"[/\\]")


def file_names(fields: Collection[bytes], defects: Defects, whole: Iterable[bytes] = ()) -> tuple[str, ...]:
    """The names in the values of Content-Disposition and Content-Type fields, without duplicates.

    Each value of `whole` is a name as a whole.
    """
    result: dict[str, None] = {}
    for count, name in enumerate(_all_readings(fields, whole, defects)):
        if "=?" in name or "?=" in name:  # half an encoded word: only some clients decode it
            defects.add(Defect.BAD_PARAMETER)
            result.update(dict.fromkeys(variant for word in _completed(name) for variant in _variants(word, defects)))
        result.update(dict.fromkeys(_variants(name, defects)))
        if len(result) > MAX_NAMES or count > _MAX_READINGS:  # each further one costs time
            defects.add(Defect.TOO_MANY_NAMES)
            return tuple(result)[:MAX_NAMES]
    return tuple(result)


def _all_readings(fields: Iterable[bytes], whole: Iterable[bytes], defects: Defects) -> Iterator[str]:
    for value in fields:
        if b"name" in value.lower() or b")" in value:
            yield from name_readings(value, defects)
            if b")" in value and _COMMENT_INSIDE.search(value[:MAX_FIELD]):
                yield from name_readings(_COMMENT_INSIDE.sub(b"", value[:MAX_FIELD]), defects)
            if _FORGIVEN.search(value[:MAX_FIELD]):
                yield from name_readings(_FORGIVEN.sub(rb"\1\3\4=", value[:MAX_FIELD]), defects)
        if b"=?" in value and b"?=" not in value:
            yield from name_readings(_WORD_BEGIN.sub(b"", value[:MAX_FIELD]), defects)
        if b"=?" in value and (Defect.BAD_PARAMETER in defects or b"name" not in value.lower()):
            yield from name_readings(decode_encoded_words(value[:MAX_FIELD]).encode(), defects)
    for value in whole:
        yield from text_readings(value.strip().strip(b'"')[:MAX_VALUE])


def _completed(name: str) -> Iterator[str]:
    """Half an encoded word as clients read it that need no end of it."""
    completed = _HALF_WORD.sub(r"=?\1?\2?\3?=", name)
    if completed != name or _HALF_WORD.search(name):
        yield from filter(None, [decode_encoded_words(completed.encode("utf-8", "replace"))[:MAX_NAME].strip()])


def _variants(name: str, defects: Defects) -> Iterator[str]:
    """The name, and as file systems store it: no final dots, folder, stream, nothing after NUL."""
    name = name.strip()
    if len(name) > MAX_NAME:
        defects.add(Defect.NAME_TOO_LONG)
        name = name[:120] + "\u2026" + name[-120:]
    if not name.isascii():
        name = _ISOLATES.sub("", name)
    if not name.isprintable() and _CONTROL.search(name):
        defects.add(Defect.ODD_NAME)
        if "." in (before_nul := name.partition("\0")[0]):
            yield before_nul
        name = _CONTROL.sub("", name)
    if not name:
        return
    yield name
    if (without_dots := name.rstrip(". \xa0")) != name and without_dots:
        yield without_dots
    if "/" in name or "\\" in name:
        yield from filter(None, _SEPARATOR.split(without_dots)[-1:])
    if ":" in name and "." in (before_stream := name.partition(":")[0]):
        yield before_stream
