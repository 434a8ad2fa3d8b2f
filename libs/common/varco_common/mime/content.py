"""What a part's header tells of its content."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from varco_common.mime.defects import Defect, Defects
from varco_common.mime.encoded_words import to_text
from varco_common.mime.headers import MAX_FIELD, Fields, unfold
from varco_common.mime.names import file_names

IDENTITY = frozenset({"7bit", "8bit", "binary"})  # RFC 2045 6.2
KNOWN = IDENTITY | {"quoted-printable", "base64"}
MAX_BOUNDARY = 70  # RFC 2046 5.1.1
_LINKED = frozenset({"text", "image", "multipart", "message"})
_MAX_UNREADABLE = 256  # bytes of an unreadable type: the search takes quadratic time
_MAX_WORD = 100  # characters of a type, charset, encoding or id that the manifest carries

_TOKEN = rb"[!#-'*+.0-9A-Z^-~-]+"  # RFC 2045 5.1
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb"/" + _TOKEN + rb")\s*(?:\([^()]*\)\s*)?(?:;|\Z)")
_ALMOST_TYPE = re.compile(rb"[^\w]*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_COMMENT = re.compile(rb"\([^()]*\)")
_CHARSET = re.compile(rb"(?i)(?<![\w*.-])charset\s*=\s*\"?'?([\w.:+-]+)")
_SMIME_TYPE = re.compile(rb"(?i)(?<![\w*.-])smime-type\s*=\s*\"?([\w-]+)")
_EXTENSION = re.compile(rb"\.\w{1,8}[\s\"']*+\Z")
_BOUNDARY = re.compile(rb'(?i)(?<![\w*.-])boundary(\*[0-9*]*)?\s*=\s*(?:"([^"]*)("?)|([^\s;"]*))([^;]*)')
_BOUNDARY_CHARS = re.compile(rb"[ -!#-\[\]-~]*[!#-\[\]-~]\Z")  # RFC 2046 5.1.1, and the signs that clients use besides


class Content(NamedTuple):
    """`boundary` is empty if there is none. Words are in lower case and cut to _MAX_WORD."""

    media_type: str = "text/plain"  # RFC 2045 5.2
    encoding: str = "7bit"
    disposition: str = ""
    charset: str = ""
    content_id: str = ""
    boundary: bytes = b""
    smime: str = ""
    names: tuple[str, ...] = ()


def parse_content(fields: Fields, default: str, defects: Defects, names: tuple[str, ...] | None = None) -> Content:
    """Reads a part's fields. `default` is the media type of a part that names none.

    A caller that has the `names` already saves the time to look for them.
    """
    types = fields.get(b"content-type", [])
    dispositions = fields.get(b"content-disposition", [])
    if len(types) > 1 and _differ(types):
        defects.add(Defect.TWO_TYPES)
    if len(dispositions) > 1 and _differ(dispositions):
        defects.add(Defect.TWO_DISPOSITIONS)
    value = types[0][:MAX_FIELD] if types else b""
    media_type = _media_type(value, defects) if types else default
    charset = _CHARSET.search(value)
    smime = _SMIME_TYPE.search(value) if "pkcs7" in media_type else None
    return Content(
        media_type=media_type,
        encoding=_encoding(fields, defects),
        disposition=_word(dispositions[0]) if dispositions else "",
        charset=_short(charset[1]) if charset else "",
        content_id=to_text(unfold(fields[b"content-id"][0]).strip(b"<>"))[:_MAX_WORD]
        if b"content-id" in fields
        else "",
        boundary=_boundary(value, defects) if media_type.startswith("multipart/") else b"",
        smime=_short(smime[1]) if smime else "",
        names=_names(fields, media_type, defects) if names is None else names,
    )


def _differ(values: list[bytes]) -> bool:
    """Whether fields of one name say different things."""
    return len({b" ".join(value.split()) for value in values}) > 1


def _names(fields: Fields, media_type: str, defects: Defects) -> tuple[str, ...]:
    """Names in all fields: Thunderbird reads two more, Exchange takes a description for a name."""
    parameters = [*fields.get(b"content-disposition", ()), *fields.get(b"content-type", ())]
    whole = [value for field in (b"content-name", b"x-sun-data-name") for value in fields.get(field, ())]
    names = file_names(parameters, defects, whole) if parameters or whole else ()
    if not names and (described := fields.get(b"content-description")):
        names = file_names((), defects, [value for value in described if _may_be_name(value)])
    return names or _location_names(fields, media_type, defects)


def _may_be_name(description: bytes) -> bool:
    """Whether it ends in an extension, or has an encoded word, which may hold one."""
    word = description.find(b"=?")
    return description.rfind(b"?=") > word >= 0 or _EXTENSION.search(description) is not None


def _location_names(fields: Fields, media_type: str, defects: Defects) -> tuple[str, ...]:
    """The end of a Content-Location (RFC 2557 4.2). Texts and images have one for their links."""
    if b"content-location" not in fields or media_type.partition("/")[0] in _LINKED:
        return ()
    ends = [urlsplit(to_text(unfold(value[:MAX_FIELD]).strip(b'"'))) for value in fields[b"content-location"]]
    return file_names((), defects, [end.path.rpartition("/")[2].encode() for end in ends if "." in end.path])


def _media_type(value: bytes, defects: Defects) -> str:
    match = _TYPE.match(value)
    if match and len(match[1]) <= _MAX_WORD:
        return match[1].decode("latin-1").lower()
    defects.add(Defect.BAD_TYPE)
    almost = _ALMOST_TYPE.match(_COMMENT.sub(b"", value[:_MAX_UNREADABLE]))
    return _short(almost[1] + b"/" + almost[2]) if almost else "text/plain"  # RFC 2045 5.2


def _encoding(fields: Fields, defects: Defects) -> str:
    values = fields.get(b"content-transfer-encoding")
    if not values:
        return "7bit"
    if len(values) > 1 and _differ(values):
        defects.add(Defect.TWO_ENCODINGS)
    word = _short(unfold(values[0]))
    if word not in KNOWN:
        defects.add(Defect.UNKNOWN_ENCODING)
    return word or "7bit"


def _boundary(value: bytes, defects: Defects) -> bytes:
    """The boundary that most clients read; a defect where another could be read."""
    matches = list(_BOUNDARY.finditer(value))
    if not matches:
        defects.add(Defect.BOUNDARY_MISSING)
        return b""
    star, quoted, closing, bare, rest = matches[0].groups()
    boundary: bytes = bare if quoted is None else quoted
    plain = len(matches) == 1 and star is None and (closing if bare is None else True)
    before = value[: matches[0].start()]
    plain = plain and before.rstrip().endswith(b";") and before.count(b'"') % 2 == 0
    clean = boundary if bare is None else boundary.translate(None, b"()'")
    if not boundary or not plain or clean != boundary or not _BOUNDARY_CHARS.match(boundary) or rest.strip():
        defects.add(Defect.BOUNDARY_ODD if boundary else Defect.BOUNDARY_MISSING)
    if len(boundary) > MAX_BOUNDARY:
        defects.add(Defect.BOUNDARY_TOO_LONG)
    return boundary.rstrip()  # RFC 2046 5.1.1: it can't end in a blank


def _word(value: bytes) -> str:
    return _short(_COMMENT.sub(b"", value[:MAX_FIELD]).partition(b";")[0])


def _short(value: bytes) -> str:
    return to_text(value.strip().lower())[:_MAX_WORD]
