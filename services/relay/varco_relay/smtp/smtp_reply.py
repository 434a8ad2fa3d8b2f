"""What a next hop says: its replies, as values (RFC 5321 4.2, RFC 2034)."""

import re
from typing import NamedTuple

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]|$)")  # RFC 2034 4: the first word of each line
_CODE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)

MAX_LINE = 4_096  # RFC 5321 4.5.3.1.5 says 512; servers with long texts exist
MAX_LINES = 128
MAX_TEXT = 1_000  # of one answer, as it goes into events and notifications


class SmtpReply(NamedTuple):
    """One reply: the code, and the text of its lines, parted by LF. Code 0 is what the gate itself says."""

    code: int
    text: str

    @property
    def status(self) -> str:
        """The enhanced code (RFC 3463): the next hop's own where it fits the code, else the class alone."""
        found = _ENHANCED.match(self.text)
        if found and found[1][0] == str(self.code or 4)[0]:
            return found[1]
        return f"{self.code // 100}.0.0" if self.code else "4.4.2"

    @property
    def line(self) -> str:
        """The reply on one line, bounded, as operators and senders read it."""
        text = " ".join(self.text.split("\n"))[:MAX_TEXT]
        return f"{self.code} {text}" if self.code else text

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def closing(self) -> bool:
        """421: the next hop closes the connection (RFC 5321 3.8)."""
        return self.code == 421


class NotSmtp(Exception):
    """The next hop doesn't speak SMTP; the text shows what it said."""


class ReplyReader:
    """Makes replies of the bytes that arrive. Bounded: a next hop that never ends its line or its reply is not SMTP."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[SmtpReply]:
        """The replies that `data` completes. Raises NotSmtp."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise NotSmtp(_shown(self._rest))
        return [said for said in map(self._line, lines) if said]

    @property
    def pending(self) -> bool:
        """True while something has arrived that isn't a whole reply yet."""
        return bool(self._rest or self._lines)

    def _line(self, line: bytes) -> SmtpReply | None:
        found = _CODE.fullmatch(line.rstrip(b"\r"))
        if not found or len(self._lines) > MAX_LINES:
            raise NotSmtp(_shown(line))
        self._lines.append((found[3] or b"")[:MAX_TEXT].decode("utf-8", "replace"))
        if found[2] == b"-":
            return None
        said = SmtpReply(int(found[1]), "\n".join(self._lines))
        self._lines = []
        return said


def _shown(line: bytes) -> str:
    return line[:80].decode("ascii", "backslashreplace")
