"""The contents that a header can be read as, and what decoders find that disagree on one."""

from collections.abc import Iterator

from varco_common.mime.buffer import Buffer
from varco_common.mime.content import KNOWN, Content, parse_content
from varco_common.mime.defects import Defects
from varco_common.mime.encoded_words import BASE64, base64_bytes
from varco_common.mime.encodings import STRAY_EQUALS, decode_quoted_printable
from varco_common.mime.file_kinds import SAMPLE, detect_kind
from varco_common.mime.headers import Fields
from varco_common.mime.possible_headers import LimitReachedError

_MAX_CHOICES = 8  # readings of one header
_URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648 5


def possible_contents(fields: Fields, defects: Defects) -> Iterator[Content]:
    """The contents that a header can be read as. Each has all names of the header."""
    every = parse_content(fields, "text/plain", defects)
    types = fields.get(b"content-type", [b"text/plain"])
    dispositions = fields.get(b"content-disposition", [b""])
    count = 0
    for media_type in dict.fromkeys(types):
        for disposition in dict.fromkeys(dispositions):
            for encoding in _encodings(fields):
                count += 1
                if count > _MAX_CHOICES:
                    raise LimitReachedError
                one = {b"content-type": [media_type], b"content-disposition": [disposition]}
                yield parse_content(one, "text/plain", defects, every.names)._replace(encoding=encoding)


def _encodings(fields: Fields) -> list[str]:
    """Known encodings as they are; for an unknown one each that a client could guess."""
    values = fields.get(b"content-transfer-encoding", [])
    words = {value.strip().lower().decode("latin-1") for value in values} or {"7bit"}
    if words <= KNOWN:
        return sorted(words)
    return ["7bit", "base64", "quoted-printable"]


def decodings(raw: bytes, encoding: str) -> Iterator[bytes]:
    """The content decoded in each way. Broken base64 has too many: skip, stop, or start again."""
    if encoding != "base64":
        yield decode_quoted_printable(raw)
        return
    digits = raw.partition(b"\r\n--")[0]
    if digits.translate(None, BASE64 + b"= \t\r\n") or b"=" in digits.rstrip(b"=\r\n \t"):
        raise LimitReachedError
    yield base64_bytes(digits)
    if len(digits) < len(raw):  # what follows is another part, or a line that decoders skip
        yield base64_bytes(raw)
        yield base64_bytes(raw.translate(_URL_SAFE))


def is_no_base64(body: Buffer, content: Content, at: tuple[int, int]) -> bool:
    """Whether a guess at base64 is wrong: nobody decodes other characters called `7-bit`."""
    sample = body.slice(at[0], at[0] + SAMPLE)
    return content.encoding == "base64" and bool(sample.translate(None, BASE64 + b"=\r\n"))


def other_kinds(raw: bytes, encoding: str) -> Iterator[str]:
    """Kinds that decoders find who stop at, or start again behind, what does not belong there."""
    if encoding == "base64":
        yield detect_kind(b"".join(base64_bytes(chunk) for chunk in raw.split(b"=")))
        yield detect_kind(b"".join(base64_bytes(chunk) for chunk in raw.split(b"\r\n")))
        yield detect_kind(base64_bytes(raw.translate(_URL_SAFE)))
        digits = raw.replace(b"\r\n", b"").lstrip()
        foreign = digits.translate(None, BASE64)[:1]
        yield detect_kind(base64_bytes(digits.partition(foreign)[0] if foreign else digits))
    elif encoding == "quoted-printable":
        yield detect_kind(decode_quoted_printable(STRAY_EQUALS.sub(b"", raw)))
