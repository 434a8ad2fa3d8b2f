"""Relaxed canonicalization (RFC 6376 3.4.2 and 3.4.4), of a body in pieces. Pure."""

import hashlib
import re

_WHITE_SPACE = re.compile(rb"[ \t]+")


def relaxed_field(field: bytes) -> bytes:
    """A whole header field, folded or not, as it is signed, without its CRLF."""
    name, _, value = field.partition(b":")
    unfolded = value.replace(b"\r\n", b"")
    return name.strip().lower() + b":" + _WHITE_SPACE.sub(b" ", unfolded).strip(b" \t\r\n")


class RelaxedBodyHash:
    """SHA-256 of a body in wire form; the dots of wire form are not part of the body."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rest = b""  # the line that is not complete yet
        self._blank = 0  # empty lines that count only if a line follows (RFC 6376 3.4.4)

    def feed(self, piece: bytes) -> None:
        """The next bytes of the body, cut anywhere."""
        lines, end, self._rest = (self._rest + piece).rpartition(b"\r\n")
        if end:
            self._add(lines + end)

    def digest(self) -> bytes:
        """The hash of what was fed. An empty body is hashed as such."""
        if self._rest:
            self._add(self._rest + b"\r\n")
            self._rest = b""
        return self._hash.digest()

    def _add(self, lines: bytes) -> None:
        """Whole lines. `replace` is ten times as fast as an expression: most lines need nothing."""
        if b"." in lines:
            lines = (lines[1:] if lines.startswith(b".") else lines).replace(b"\r\n.", b"\r\n")
        lines = lines.replace(b"\t", b" ")
        while b"  " in lines:
            lines = lines.replace(b"  ", b" ")
        lines = b"\r\n" + lines.replace(b" \r\n", b"\r\n")
        content = _without_blank_end(lines)
        if len(content) > 0:
            self._hash.update(b"\r\n" * self._blank + content[2:] + b"\r\n")
            self._blank = 0
        self._blank += (len(lines) - len(content)) // 2 - 1


def _without_blank_end(lines: bytes) -> bytes:
    """Without the CRLFs at the end; a lone CR or LF before them stays."""
    end = len(lines)
    while end >= 2 and lines[end - 2 : end] == b"\r\n":
        end -= 2
    return lines[:end]
