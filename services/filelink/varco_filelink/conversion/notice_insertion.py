"""Inserts the notice into the texts of a mail without changing the rest. Pure."""

import binascii
import codecs
import re

from varco_common.mail.notices import ascii_of
from varco_common.mail.wire_form import dot_stuffed
from varco_common.mime import Part
from varco_filelink.conversion.html_end import end_of_html
from varco_filelink.conversion.notice_text import LinkNotice
from varco_filelink.conversion.transfer_decoding import decoder

_LINE = 76  # RFC 2045 6.7, 6.8
_SOFT = rb"(?:=[ \t]*\r\n)*"
_FIELD = re.compile(rb"(?im)^content-(?:type|transfer-encoding|disposition|id|description|location|md5)[ \t]*:")
_ENCODING_FIELD = re.compile(rb"(?im)^content-(?:type|transfer-encoding|md5)[ \t]*:")
_FLOWED = re.compile(rb"(?i);\s{0,100}format=\"?flowed")  # RFC 3676: its parameters hold in any charset
_DELSP = re.compile(rb"(?i);\s{0,100}delsp=\"?yes")
_CLEAR_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
_C1 = re.compile("[\x80-\x9f]")


def with_notice(content: bytes, part: Part, block: LinkNotice, *, eight_bit: bool = False) -> bytes | None:
    """The encoded text part with the notice at its end; None if that is not safe.

    The text stays byte for byte; in base64 the lines before the notice do, and the others decode to
    the same. A mail that is not `eight_bit` does not become so: the next hop may not take it.
    """
    charset = _ascii_compatible(part.charset or "us-ascii")
    if not charset:
        return None
    notice = _notice(part, block, charset, eight_bit=eight_bit)
    match part.encoding:
        case "base64":
            return _in_base64(content, part, notice)
        case "quoted-printable":
            return _in_quoted_printable(content, part, notice)
        case _:
            return _in_plain(content, part, notice)


def holds(part: Part, block: LinkNotice, *, eight_bit: bool) -> bool:
    """Whether the charset and the encoding of the text can hold the notice, names included."""
    charset = _ascii_compatible(part.charset or "us-ascii")
    if part.media_type == "text/html" or not charset:  # HTML has a reference for any character
        return True
    notice = _notice(part, block, charset, eight_bit=eight_bit)
    carried = notice.decode(charset, "replace").replace("\r\n", "\n")
    return carried in (block.text, block.ascii_words)


def reencoded_with_notice(header: bytes, content: bytes, part: Part, block: LinkNotice) -> bytes | None:
    """Header and content of a plain text in UTF-8 and quoted-printable, with the notice at its end.

    None if its characters are in doubt, or if it holds an OpenPGP signature over its encoded form.
    """
    decoding = decoder(part.encoding)
    plain = decoding.feed(content) + decoding.end()
    if (text := _decoded(plain, part.charset or "us-ascii")) is None or _CLEAR_SIGNED in plain:
        return None
    lines = re.sub(r"\r\n|\r|\n", "\r\n", text).encode()
    whole = lines + _gap(lines) + block.text.replace("\n", "\r\n").encode()
    flowed = _FLOWED.search(header)
    format_ = b"; format=flowed" + (b"; delsp=yes" if _DELSP.search(header) else b"") if flowed else b""
    fields = without_fields(header, _ENCODING_FIELD)
    return (
        b"Content-Type: text/plain; charset=utf-8"
        + format_
        + b"\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        # the notice has CRLFs, so soft breaks have them too
        + fields
        + b"\r\n"
        + dot_stuffed(binascii.b2a_qp(whole, quotetabs=True))
    )


def _decoded(plain: bytes, charset: str) -> str | None:
    """The text; None if it is none in its charset. Senders call cp1252 iso-8859-1."""
    codec = _ascii_compatible(charset)
    try:
        text = plain.decode(codec)
        return plain.decode("cp1252") if codec == "iso8859-1" and _C1.search(text) else text
    except (UnicodeDecodeError, LookupError):
        return None


def notice_part(block: LinkNotice) -> bytes:
    """Header and content of a text part with the notice only."""
    text = block.text.replace("\n", "\r\n").encode()
    return (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        b"Content-Disposition: inline\r\n\r\n" + dot_stuffed(_quoted(text))
    )


def without_content_fields(header: bytes) -> bytes:
    """The header of a mail without the fields that describe its body."""
    return without_fields(header, _FIELD)


def without_fields(header: bytes, names: re.Pattern[bytes]) -> bytes:
    """The header without the fields whose names match."""
    lines: list[bytes] = []
    dropping = False
    for line in header.splitlines(keepends=True):
        if line[:1] not in b" \t":  # RFC 5322 2.2.3: a folded line belongs to its field
            dropping = names.match(line) is not None
        if not dropping:
            lines.append(line)
    return b"".join(lines)


def _notice(part: Part, block: LinkNotice, charset: str, *, eight_bit: bool) -> bytes:
    if part.media_type == "text/html":
        return block.html.encode("ascii")
    seven_bit = part.encoding == "7bit" or (not eight_bit and part.encoding in ("8bit", "binary"))
    for text in () if seven_bit else (block.text, block.ascii_words):
        try:
            return text.replace("\n", "\r\n").encode(charset)
        except UnicodeEncodeError:  # the charset lacks letters of the words or of a file's name
            continue
    return ascii_of(block.text.replace("\n", "\r\n")).encode("ascii", "replace")


def _in_plain(content: bytes, part: Part, notice: bytes) -> bytes | None:
    if part.media_type != "text/html":
        return content + _gap(content) + dot_stuffed(notice)
    at = end_of_html(content)
    if at is None:
        return None
    return content[:at] + b"\r\n" + dot_stuffed(notice) + b"\r\n" + content[at:]


def _in_quoted_printable(content: bytes, part: Part, notice: bytes) -> bytes | None:
    if part.media_type != "text/html":
        open_end = b"\r\n" if content.rstrip(b" \t").endswith(b"=") else b""  # a soft break at the very end
        return content + open_end + _gap(content) + dot_stuffed(_quoted(notice))
    at, block = _end_of_quoted_html(content), dot_stuffed(_quoted(notice))
    if at is None:
        return None
    if at == len(content):
        return content + b"\r\n" + block
    return content[:at] + b"=\r\n" + block + b"=\r\n" + content[at:]


def _in_base64(content: bytes, part: Part, notice: bytes) -> bytes | None:
    """Lines before the notice stay. The others are encoded again, with the same length."""
    try:
        plain = binascii.a2b_base64(content)
    except binascii.Error:
        return None
    lines = content.rstrip(b"\r\n")
    width = _width(lines)
    if part.media_type == "text/html":
        end = end_of_html(plain)
        if end is None:
            return None
        at = end
        notice = b"\r\n" + notice + b"\r\n"
    else:
        at, notice = len(plain), _gap(plain) + notice
    unchanged = at // (width // 4 * 3) if width else 0  # lines
    rest = plain[unchanged * width // 4 * 3 : at] + notice + plain[at:]
    before = (lines + b"\r\n")[: unchanged * (width + 2)]
    return before + _base64(rest, width or _LINE) + content[len(lines) :]


def _width(lines: bytes) -> int:
    """The common length of all lines but the last; 0 if it varies or is no valid length."""
    width = lines.find(b"\r\n")
    if not 4 <= width <= _LINE or width % 4:
        return 0
    whole, last = divmod(len(lines), width + 2)
    even = all(line == b"\r\n" for line in (lines[at : at + 2] for at in range(width, whole * (width + 2), width + 2)))
    return width if even and lines.count(b"\r\n") == whole and last <= width else 0


def _base64(plain: bytes, width: int) -> bytes:
    step = width // 4 * 3
    return b"\r\n".join(binascii.b2a_base64(plain[at : at + step], newline=False) for at in range(0, len(plain), step))


def _gap(content: bytes) -> bytes:
    """The line ends that make an empty line before the notice."""
    return b"\r\n" if content.endswith(b"\r\n") else b"\r\n\r\n" if content else b""


def _end_of_quoted_html(content: bytes) -> int | None:
    """As `end_of_html`, in quoted-printable with its encoded characters and soft breaks."""
    plain = binascii.a2b_qp(content)
    at = end_of_html(plain)
    if at is None or at == len(plain):
        return None if at is None else len(content)
    low = plain.lower()
    mark = low[at : at + 6]
    offsets = [match.start() for match in _QUOTED_MARKS[mark].finditer(content)]
    if len(offsets) != low.count(mark):  # the encoding is broken
        return None
    return offsets[low.count(mark, 0, at)]


def _mark(text: str) -> re.Pattern[bytes]:
    """Matches `text` in any case, each character as it is or as `=XX`."""
    chars = [b"|".join(re.escape(b"%c" % code) + b"|=%02X" % code for code in _cases(char)) for char in text]
    return re.compile(_SOFT.join(b"(?:%s)" % char for char in chars), re.IGNORECASE)


def _cases(char: str) -> set[int]:
    return {ord(char.lower()), ord(char.upper())}


_QUOTED_MARKS = {b"</body": _mark("</body"), b"</html": _mark("</html")}


def _quoted(text: bytes) -> bytes:
    """Encodes as quoted-printable (RFC 2045 6.7). Lines end in CRLF."""
    return b"\r\n".join(_quoted_line(line) for line in text.split(b"\r\n"))


def _quoted_line(line: bytes) -> bytes:
    tokens = [b"%c" % byte if 32 <= byte <= 126 and byte != 61 else b"=%02X" % byte for byte in line]
    if tokens and tokens[-1] == b" ":
        tokens[-1] = b"=20"
    lines: list[bytes] = [b""]
    for token in tokens:
        if len(lines[-1]) + len(token) >= _LINE:
            lines.append(b"")
        lines[-1] += token
    return b"=\r\n".join(lines)


def _ascii_compatible(charset: str) -> str:
    """The codec of a charset that extends ASCII; empty for others (UTF-16) and unknown ones."""
    try:
        name = charset.partition("*")[0]
        plain = bytes(range(32, 127))
        # `encode` of a text refuses codecs that Python has for other things, such as zlib and hex.
        return codecs.lookup(name).name if plain.decode("ascii").encode(name) == plain else ""
    except (LookupError, ValueError, UnicodeError):
        return ""
