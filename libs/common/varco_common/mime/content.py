"""What a part's header says of its content."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from varco_common.mime.defects import Defect, DefectFound
from varco_common.mime.encoded_words import text
from varco_common.mime.headers import MAX_FIELD, Fields, unfolded
from varco_common.mime.names import names

IDENTITY = frozenset({"7bit", "8bit", "binary"})  # RFC 2045 6.2
KNOWN = IDENTITY | {"quoted-printable", "base64"}
MAX_BOUNDARY = 70  # RFC 2046 5.1.1
_LINKED = frozenset({"text", "image", "multipart", "message"})
_MAX_ODD = 256  # bytes of an unreadable type: finding one takes the square of them
_MAX_WORD = 100  # characters of a type, charset, encoding or id that the manifest carries

_TOKEN = rb"[!#-'*+.0-9A-Z^-~-]+"  # RFC 2045 5.1
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb"/" + _TOKEN + rb")\s*(?:\([^()]*\)\s*)?(?:;|\Z)")
_ALMOST_TYPE = re.compile(rb"[^\w]*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_COMMENT = re.compile(rb"\([^()]*\)")
_CHARSET = re.compile(rb"(?i)(?<![\w*.-])charset\s*=\s*\"?'?([\w.:+-]+)")
_SMIME_TYPE = re.compile(rb"(?i)(?<![\w*.-])smime-type\s*=\s*\"?([\w-]+)")
_EXTENSION = re.compile(rb"(?s)\.\w{1,8}[\s\"']*\Z|=\?.*\?=")  # an encoded word may hold one
_BOUNDARY = re.compile(rb'(?i)(?<![\w*.-])boundary(\*[0-9*]*)?\s*=\s*(?:"([^"]*)("?)|([^\s;"]*))([^;]*)')
_BOUNDARY_CHARS = re.compile(rb"[ -!#-\[\]-~]*[!#-\[\]-~]\Z")  # RFC 2046 5.1.1, and the signs that clients use besides


class Content(NamedTuple):
    """`boundary` is empty where there is none. Words are in lower case and short."""

    media_type: str = "text/plain"  # RFC 2045 5.2
    encoding: str = "7bit"
    disposition: str = ""
    charset: str = ""
    content_id: str = ""
    boundary: bytes = b""
    smime: str = ""
    names: tuple[str, ...] = ()


def content(fields: Fields, default: str, found: DefectFound) -> Content:
    """`default` is the media type of a part that names none (message/rfc822 in a digest)."""
    types = fields.get(b"content-type", [])
    dispositions = fields.get(b"content-disposition", [])
    if len(types) > 1:
        found.add(Defect.TWO_TYPES)
    if len(dispositions) > 1:
        found.add(Defect.TWO_DISPOSITIONS)
    value = types[0][:MAX_FIELD] if types else b""
    media_type = _media_type(value, found) if types else default
    charset = _CHARSET.search(value)
    smime = _SMIME_TYPE.search(value) if "pkcs7" in media_type else None
    return Content(
        media_type=media_type,
        encoding=_encoding(fields, found),
        disposition=_word(dispositions[0]) if dispositions else "",
        charset=_short(charset[1]) if charset else "",
        content_id=text(unfolded(fields[b"content-id"][0]).strip(b"<>"))[:_MAX_WORD] if b"content-id" in fields else "",
        boundary=_boundary(value, found) if media_type.startswith("multipart/") else b"",
        smime=_short(smime[1]) if smime else "",
        names=_names(fields, [*dispositions, *types], found) or _located(fields, media_type, found),
    )


def _names(fields: Fields, parameters: list[bytes], found: DefectFound) -> tuple[str, ...]:
    """Thunderbird takes Content-Name and X-Sun-Data-Name for a name, Exchange the description of a part without one."""
    whole = [value for field in (b"content-name", b"x-sun-data-name") for value in fields.get(field, ())]
    known = names(parameters, found, whole) if parameters or whole else ()
    described = fields.get(b"content-description", ()) if not known else ()
    return known or names((), found, [value for value in described if _EXTENSION.search(value)])


def _located(fields: Fields, media_type: str, found: DefectFound) -> tuple[str, ...]:
    """The last step of a Content-Location (RFC 2557 4.2), for want of a name; texts and images have one for their links."""
    if b"content-location" not in fields or media_type.partition("/")[0] in _LINKED:
        return ()
    ends = [urlsplit(text(unfolded(value[:MAX_FIELD]).strip(b'"'))) for value in fields[b"content-location"]]
    return names((), found, [end.path.rpartition("/")[2].encode() for end in ends if "." in end.path])


def _media_type(value: bytes, found: DefectFound) -> str:
    match = _TYPE.match(value)
    if match and len(match[1]) <= _MAX_WORD:
        return match[1].decode("latin-1").lower()
    found.add(Defect.BAD_TYPE)
    almost = _ALMOST_TYPE.match(_COMMENT.sub(b"", value[:_MAX_ODD]))
    return _short(almost[1] + b"/" + almost[2]) if almost else "text/plain"  # RFC 2045 5.2


def _encoding(fields: Fields, found: DefectFound) -> str:
    values = fields.get(b"content-transfer-encoding")
    if not values:
        return "7bit"
    if len(values) > 1:
        found.add(Defect.TWO_ENCODINGS)
    word = _short(unfolded(values[0]))
    if word not in KNOWN:
        found.add(Defect.UNKNOWN_ENCODING)
    return word or "7bit"


def _boundary(value: bytes, found: DefectFound) -> bytes:
    """The boundary that most clients read; a defect where another could be read."""
    matches = list(_BOUNDARY.finditer(value))
    if not matches:
        found.add(Defect.BOUNDARY_MISSING)
        return b""
    star, quoted, closing, bare, rest = matches[0].groups()
    boundary: bytes = bare if quoted is None else quoted
    plain = len(matches) == 1 and star is None and (closing if bare is None else True)
    before = value[: matches[0].start()]
    plain = plain and before.rstrip().endswith(b";") and before.count(b'"') % 2 == 0
    clean = boundary if bare is None else boundary.translate(None, b"()'")
    if not boundary or not plain or clean != boundary or not _BOUNDARY_CHARS.match(boundary) or rest.strip():
        found.add(Defect.BOUNDARY_ODD if boundary else Defect.BOUNDARY_MISSING)
    if len(boundary) > MAX_BOUNDARY:
        found.add(Defect.BOUNDARY_TOO_LONG)
    return boundary.rstrip()  # RFC 2046 5.1.1: it can't end in a blank


def _word(value: bytes) -> str:
    return _short(_COMMENT.sub(b"", value[:MAX_FIELD]).partition(b";")[0])


def _short(value: bytes) -> str:
    return text(value.strip().lower())[:_MAX_WORD]
