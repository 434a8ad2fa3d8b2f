"""Mails with a forbidden attachment in plain sight, which mutations.py hides.

Each has a file that is forbidden by its name, or a program under an allowed name.
"""

import base64
import quopri
from collections.abc import Iterator

PROGRAM = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0" + bytes(range(40))
_TEXT = b"a few words, and some more of them = nothing\r\n"
_HEAD = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: a file\r\nMIME-Version: 1.0\r\n"
_HELLO = b"Content-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n"


def _encoded(content: bytes, encoding: bytes) -> bytes:
    if encoding == b"base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if encoding == b"quoted-printable":
        return quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n") + b"\r\n"
    return content.replace(b"\r", b"").replace(b"\n", b"\r\n").replace(b"\0", b"\1")


def _file(name: bytes, content: bytes, encoding: bytes) -> bytes:
    """A part: its header and content. `name` holds the fields that name it."""
    return name + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + _encoded(content, encoding)


def _fields(name: bytes) -> Iterator[bytes]:
    yield b'Content-Type: application/octet-stream; name="%s"\r\nContent-Disposition: attachment; filename="%s"\r\n' % (
        name,
        name,
    )
    yield b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=%s\r\n" % name
    yield b"Content-Type: application/pdf;\r\n\tname=%s\r\n" % name
    yield b"Content-Type: text/plain\r\nContent-Disposition: attachment;\r\n filename*=utf-8''%s\r\n" % name
    yield b'Content-Type: application/pdf\r\nContent-Disposition: inline; filename*0="%s"; filename*1=%s\r\n' % (
        name[:5],
        name[5:],
    )
    yield b'Content-Type: application/pdf; name="=?utf-8?B?%s?="\r\n' % base64.b64encode(name)


def _mixed(*parts: bytes, boundary: bytes = b"X", kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n%s--%s--\r\n' % (kind, boundary, body, boundary)


def _mails(file: bytes) -> Iterator[bytes]:
    """The file in each place of a mail."""
    yield _HEAD + file
    yield _HEAD + _mixed(_HELLO, file)
    yield _HEAD + _mixed(file, _HELLO)
    yield _HEAD + _mixed(_mixed(_HELLO, _HELLO, boundary=b"Y", kind=b"alternative"), file)
    yield _HEAD + _mixed(_HELLO, _mixed(_HELLO, file, boundary=b"XY"), _HELLO)
    yield _HEAD + _mixed(_HELLO, b"Content-Type: message/rfc822\r\n\r\n" + _HEAD + _mixed(_HELLO, file, boundary=b"Y"))
    yield _HEAD + b"Content-Type: message/rfc822\r\n\r\n" + _HEAD + file
    yield _HEAD + _mixed(_HEAD + file, kind=b"digest")


def _uuencoded() -> Iterator[bytes]:
    begin = b"begin 644 virus.exe\r\n#86)C\r\n`\r\nend\r\n"
    yield _HEAD + b"\r\nhello\r\n" + begin
    yield _HEAD + _mixed(_HELLO + begin)


ATTACKS = tuple(
    mail
    for name, content, encodings in (
        (b"virus.exe", _TEXT, (b"base64", b"quoted-printable", b"7bit")),
        (b"report.pdf", PROGRAM, (b"base64", b"quoted-printable", b"binary")),
    )
    for encoding in encodings
    for fields in _fields(name)
    for mail in _mails(_file(fields, content, encoding))
) + tuple(_uuencoded())
