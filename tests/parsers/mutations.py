"""Changes to a mail that may make parsers disagree. `mutated` is decided by its seed alone."""

import random
import re
from collections.abc import Callable

_LINES = (
    b"", b"", b" ", b"\t", b"hello", b" hello", b"X: y", b": y", b"hello:", b" X: y", b"X :y", b"--X", b"--X--",
    b"--X ", b"--X-- ", b"--", b"--Xtra", b"--XY", b"--XY--", b"--Y", b"--Y--", b"--X--X", b" --X", b"----X",
    b"-- X", b"--x", b"end", b".", b"begin 644 a.txt", b"Content-Type: text/plain",
    b"Content-Type: multipart/mixed; boundary=X", b"Content-Type: multipart/mixed; boundary=Y",
    b"Content-Type: message/rfc822", b"Content-Type: application/pdf; name=a.pdf",
    b"Content-Transfer-Encoding: 7bit", b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding:", b"Content-Disposition: inline",
    b"Content-Disposition: attachment; filename=a.pdf", b"Content-Type:", b"Content-Type: x",
    b"Content-Disposition:", b"From: a@b.example", b"From a@b Mon Jan  1 00:00:00 2024",
)  # fmt: skip
_ENCODINGS = (
    b"base64", b"BASE64", b"base64 ", b"base64;", b" base64", b'"base64"', b"base64 (x)", b"(x) base64", b"base 64",
    b"base-64", b"x-base64", b"base64, 7bit", b"7bit, base64", b"7bit base64", b"base64\r\n ", b"\r\n base64",
    b"=?us-ascii?Q?base64?=", b"b", b"B", b"8bit", b"binary", b"7-bit", b"none", b"", b"x-unknown",
    b"quoted-printable", b"quoted_printable", b"quotedprintable", b"Quoted-Printable;", b"quoted-printable (x)",
    b"qp", b"x-uuencode", b"uuencode", b"x-uue", b"uue", b"x-gzip64", b"binhex", b"mac-binhex40", b"base64\0",
    b"\0base64", b"base64\x0b", b"base\t64", b"base64\xa0", b"base64.", b"charset=base64", b"base64=", b"x-yencode",
)  # fmt: skip
_PIECES = (
    b";", b";;", b'"', b"'", b"\\", b'\\"', b"(", b")", b"(x)", b"()", b"<", b">", b"=", b"==", b"*", b"*0", b"*0*",
    b"*1", b":", b",", b" ", b"\t", b"\r\n ", b"\r\n\t", b"\r\n \r\n ", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0",
    b"\x0b", b"\x0c", b"\x1a", b"\x7f", b"\xa0", b"\xff", b"\xe2\x80\x8b", b"\xe2\x80\xae", b"%00", b"%2E",
    b"=?utf-8?Q?", b"?=", b"=?utf-8?Q?=2E?=", b"=?utf-8?B?Lg==?=", b"utf-8''", b"''", b"boundary=Y", b"; boundary=Y",
    b"; boundary=X", b"boundary=", b"; name=a.pdf", b"; filename=a.pdf", b"; filename*=utf-8''a.pdf",
    b"; name*0=a.pdf", b"; filename=", b"; charset=utf-16", b".pdf", b".", b"..", b"/", b"\\a", b"-", b"--", b"x",
    b"X", b"x" * 80, b"x" * 1_000,
)  # fmt: skip
_CONTENT = (
    b"=", b"==", b"====", b"=\r\n", b"\r\n", b"\r\n\r\n", b" ", b"-", b"_", b"*", b"!", b"\xff", b"A", b"AA", b"AAA",
    b"QQ==", b"Q", b"=3D", b"=4D", b"=4d", b"=4", b"=G1", b"= \r\n", b"=20", b"\r\n-", b"\r\n--", b"\r\n--X\r\n",
    b"\0", b"\r", b"\n", b",", b"QUJD", b"x\r\n", b"~",
)  # fmt: skip
_BOUNDARIES = (
    b"boundary=%s", b'boundary = "%s"', b"boundary='%s'", b'boundary="%s ', b'boundary="%s "', b'boundary=" %s"',
    b"boundary*=utf-8''%s", b"boundary*0=%s", b'boundary*0="%s"; boundary*1=""', b'boundary="Z"; boundary="%s"',
    b'boundary="%s"; boundary="Z"', b"boundary*0*=us-ascii''%s", b"boundary*1=%s; boundary*0=", b'boundary="(x)%s"',
    b"boundary=(x)%s", b"boundary=%s(x)", b'boundary=""; boundary=%s', b"Boundary=%s", b'boundary="\\%s"',
    b"boundary:%s", b'"boundary"=%s', b'boundary=%s"', b"x=y boundary=%s", b'x="; boundary=%s"', b"boundary=%sx",
    b"boundary=%.0s", b'boundary="=?utf-8?Q?%s?="', b'x="a;\r\n boundary=%s', b'boundary="%s', b"boundary=%s,",
    b"boundary\r\n =%s", b"boundary(x)=%s", b'boundary="%s"Z', b'boundary="%s\r\n "', b"boundary=\t%s",
    b"boundary==%s", b"boundary=\xff%s", b"boundary=%s\0", b"boundary=%s; boundary*=utf-8''Z",
)  # fmt: skip
_FIELD = re.compile(
    rb"(?im)^(content-type|content-disposition|content-transfer-encoding|mime-version)([ \t]*:)((?:.*\r\n)(?:[ \t].*\r\n)*)"
)
_BOUNDARY = re.compile(rb'boundary="(\w+)"')
Mutation = Callable[[bytes, random.Random], bytes]


def mutated(mail: bytes, seed: str) -> bytes:
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 2, 3, 4, 6))):
        mail = chance.choice(_MUTATIONS)(mail, chance)
    return mail


def _line_inserted(mail: bytes, chance: random.Random) -> bytes:
    lines = mail.split(b"\r\n")
    lines.insert(chance.randint(0, len(lines)), chance.choice(_LINES))
    return b"\r\n".join(lines)


def _line_moved(mail: bytes, chance: random.Random) -> bytes:
    """Or removed, or doubled."""
    lines = mail.split(b"\r\n")
    line = lines[chance.randrange(len(lines))]
    if chance.random() < 0.7:
        lines.remove(line)
    if chance.random() < 0.7:
        lines.insert(chance.randint(0, len(lines)), line)
    return b"\r\n".join(lines)


def _field_changed(mail: bytes, chance: random.Random) -> bytes:
    fields = list(_FIELD.finditer(mail))
    if not fields:
        return mail
    field = chance.choice(fields)
    name, colon, value = field.groups()
    match chance.randrange(8):
        case 0:
            name = chance.choice(
                (
                    name.upper(),
                    name.lower(),
                    b" " + name,
                    name + b" ",
                    name + b"\0",
                    name + b"\xff",
                    b"\xef\xbb\xbf" + name,
                )
            )
        case 1:
            colon = chance.choice((b" :", b"\t:", b"::", b"", b" ", b":\r\n ", b"\r\n :", b" :\r\n\t", b"=", b"\0:"))
        case 2 if name.lower().endswith(b"encoding"):
            value = b" " + chance.choice(_ENCODINGS) + b"\r\n"
        case 3:  # the field twice
            other = chance.choice(
                [other.group() for other in _FIELD.finditer(mail)] + [line + b"\r\n" for line in _LINES]
            )
            return mail[: field.start()] + other + mail[field.start() :]
        case 4:
            return (
                mail[: field.end()]
                + name
                + colon
                + chance.choice((b" text/plain", b" inline", b" 7bit", b""))
                + b"\r\n"
                + mail[field.end() :]
            )
        case _:
            at = chance.randint(0, len(value) - 2)
            value = value[:at] + chance.choice(_PIECES) + value[at + chance.choice((0, 0, 0, 1, 1, 2, 5)) :]
            value += b"" if value.endswith(b"\r\n") else b"\r\n"
    return mail[: field.start()] + name + colon + value + mail[field.end() :]


def _boundary_changed(mail: bytes, chance: random.Random) -> bytes:
    boundaries = list(_BOUNDARY.finditer(mail))
    if not boundaries:
        return _line_inserted(mail, chance)
    match = chance.choice(boundaries)
    value = match[1]
    written = chance.choice(_BOUNDARIES) % value
    if chance.random() < 0.3:  # as a parser may compare it
        other = chance.choice((value * 40, b"'" + value + b"'", b'"' + value, value + b"(x)", value + b"x", b"Z"))
        mail = re.sub(rb"(?m)^--" + value + rb"(?=\r|--\r)", lambda _: b"--" + other, mail)
        match = _BOUNDARY.search(mail, match.start()) or match
    return mail[: match.start()] + written + mail[match.end() :]


def _content_changed(mail: bytes, chance: random.Random) -> bytes:
    """In what follows the last field, where a file's content begins."""
    fields = list(_FIELD.finditer(mail))
    start = chance.choice(fields).end() if fields else 0
    at = (
        chance.randint(start, min(start + 40, len(mail))) if chance.random() < 0.7 else chance.randint(start, len(mail))
    )
    return mail[:at] + chance.choice(_CONTENT) + mail[at + chance.choice((0, 0, 0, 1, 2, 4)) :]


def _bytes_changed(mail: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(mail))
    return mail[:at] + chance.choice(_PIECES) + mail[at + chance.choice((0, 0, 1, 2, 10, 40)) :]


def _cut(mail: bytes, chance: random.Random) -> bytes:
    return mail[: chance.randint(len(mail) // 2, len(mail))]


_MUTATIONS: tuple[Mutation, ...] = (
    _line_inserted, _line_inserted, _line_moved, _field_changed, _field_changed, _field_changed,
    _boundary_changed, _boundary_changed,
    _content_changed, _bytes_changed, _cut,
)  # fmt: skip
