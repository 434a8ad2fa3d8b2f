"""Replies of a next hop: parsed from its bytes, with their codes (RFC 5321 4.2, RFC 2034)."""

import re
from typing import NamedTuple

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]|$)")  # RFC 2034 4: the first word of each line
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)

MAX_LINE = 4_096  # RFC 5321 4.5.3.1.5 says 512; some servers send longer texts
MAX_LINES = 128
MAX_TEXT = 1_000  # of one reply, as it goes into events and notifications


class SmtpReply(NamedTuple):
    """A reply: its code, and the text of its lines separated by LF.

    Code 0 marks the gate's own words about the connection. With `by_gate` the gate itself decided,
    and the next hop had no part in it. With `in_doubt` the next hop may have taken the mail.
    """

    code: int
    text: str
    by_gate: bool = False
    in_doubt: bool = False

    @property
    def status(self) -> str:
        """The enhanced code (RFC 3463): the next hop's if it fits the code, else the class."""
        match = _ENHANCED.match(self.text)
        if match and match[1][0] == str(self.code or 4)[0]:
            return match[1]
        return f"{self.code // 100}.0.0" if self.code else "4.4.2"

    @property
    def line(self) -> str:
        """The reply on one line of bounded length, for operators and senders."""
        text = " ".join(self.text.split("\n"))[:MAX_TEXT]
        return f"{self.code} {text}" if self.code else text

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether another next hop may take at once what this one did not.

        RFC 5321 5.1: the client tries the next address.
        """
        return not self.in_doubt and (self.code < 200 or 400 <= self.code < 500 or self.by_gate)

    @property
    def closing(self) -> bool:
        """421: the next hop closes the connection (RFC 5321 3.8)."""
        return self.code == 421

    @property
    def denies_login(self) -> bool:
        """The login is at fault, not the mail (RFC 4954 6), whichever command was answered.

        With 550 5.7.30 Exchange Online says that it takes no passwords.
        """
        return self.code in (530, 534, 535, 538) or (self.code == 550 and "basic authentication" in self.text.lower())


class NotSmtp(Exception):
    """The next hop does not speak SMTP. The text shows the start of what it sent."""


class ReplyReader:
    """Builds replies from bytes.

    A line or a reply that never ends raises NotSmtp, so memory is bounded.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[SmtpReply]:
        """The replies that `data` completes. Raises NotSmtp."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise NotSmtp(_printable(self._rest))
        return [reply for reply in map(self._add_line, lines) if reply]

    @property
    def pending(self) -> bool:
        """Whether a part of a reply has arrived."""
        return bool(self._rest or self._lines)

    def _add_line(self, line: bytes) -> SmtpReply | None:
        match = _LINE.fullmatch(line.rstrip(b"\r"))
        if not match or len(self._lines) > MAX_LINES:
            raise NotSmtp(_printable(line))
        self._lines.append((match[3] or b"")[:MAX_TEXT].decode("utf-8", "replace"))
        if match[2] == b"-":
            return None
        reply = SmtpReply(int(match[1]), "\n".join(self._lines))
        self._lines = []
        return reply


def _printable(line: bytes) -> str:
    return line[:80].decode("ascii", "backslashreplace")
