"""Repairs the header of a mail from an old device, in a network whose rule says so (RFC 6409 8)."""

import re

_FIELD = re.compile(rb"[!-9;-~]++[ \t]*+:")
_ORIGIN = re.compile(rb"(?i)(?:from|sender)[ \t]*+:")
_UNQUALIFIED = re.compile(
    rb'((?i:from|sender)[ \t]*+:\s*+(?:"[^"\\]*+"\s*+<|[^<>()",:;@]*+<|))([\w.+-]++)'
    rb"(>?[ \t]*+(?:\([^()]*+\)[ \t]*+)?\r\n)\Z"
)
_MAX_HELD = 8_192  # bytes; a longer From field is no device's


class HeaderRepair:
    """Adds the empty line that a header lacks, and `domain` to a From or Sender without one.

    A line that is no field ends the header, also if it is the first one. The separator of a mailbox
    file before the header, `From root Mon ...`, is left out.
    """

    def __init__(self, domain: str) -> None:
        self._domain = domain.encode()
        self._origin: list[bytes] = []  # the lines of a From or Sender field, until the next field begins
        self._first = True
        self._ended = False

    def feed(self, lines: bytes) -> bytes:
        """Takes complete lines that end in CRLF; returns what is sure of them."""
        repaired: list[bytes] = []
        at = 0
        while at < len(lines) and not self._ended:
            end = lines.find(b"\r\n", at) + 2
            repaired.append(self._line(lines[at:end]))
            at = end
        return b"".join([*repaired, lines[at:]])

    def end(self) -> bytes:
        """The rest."""
        field, self._origin = b"".join(self._origin), []
        match = _UNQUALIFIED.fullmatch(field) if self._domain else None
        if match and match[1].endswith(b"<") == match[3].startswith(b">"):
            return match[1] + match[2] + b"@" + self._domain + match[3]
        return field

    def _line(self, line: bytes) -> bytes:
        first, self._first = self._first, False
        if first and line.startswith((b"From ", b">From ")):
            self._first = True
            return b""
        if line.startswith((b" ", b"\t")) and not first:
            return self._continuation(line)
        before = self.end()
        if _ORIGIN.match(line):
            self._origin = [line]
            return before
        if _FIELD.match(line):
            return before + line
        self._ended = True
        return before + (line if line == b"\r\n" else b"\r\n" + line)

    def _continuation(self, line: bytes) -> bytes:
        if not self._origin:
            return line
        self._origin.append(line)
        return self.end() if sum(map(len, self._origin)) > _MAX_HELD else b""
