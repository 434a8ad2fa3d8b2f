"""The second reading of a mail: writes it anew by the plan. Pure."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from varco_relay.seven_bit.survey import ConversionPlan
from varco_relay.seven_bit.walker import ContentLine, Entity, Header, Step, Walker

_ENCODING_FIELD = re.compile(rb"(?im)^content-transfer-encoding[ \t]*:.*\r\n(?:[ \t].*\r\n)*")
_BASE64_LINE = 57  # bytes that become a line of 76 (RFC 2045 6.8)


@dataclass(slots=True)
class Rewriter:
    """Takes the lines of a mail in wire form, without CRLF, and gives the new mail in wire form."""

    plan: ConversionPlan
    _walker: Walker = field(default_factory=Walker)
    _base64: bytes | None = None  # what waits for a full line of base64; None: not in such a part
    _last: bool = False  # whether that part has had a line: the CRLF behind it may be the delimiter's

    def feed(self, line: bytes) -> Iterator[bytes]:
        for step in self._walker.feed(line):
            yield from self._write(step)

    def end(self) -> Iterator[bytes]:
        """What is left at the end of the mail, whose last CRLF belongs to its content."""
        for step in self._walker.end():
            yield from self._write(step)
        if self._base64 is not None:
            self._base64 += b"\r\n" if self._last else b""
            yield from self._end_base64()

    def _write(self, step: Step) -> Iterator[bytes]:
        match step:
            case Header(entity=entity, block=block):
                yield self._header(entity, block)
            case ContentLine(entity=entity, line=line):
                yield from self._content(self.plan.encodings.get(entity.number, ""), line)
            case _:
                yield from self._end_base64()
                yield _wire(step.line.decode("ascii", "replace").replace("\ufffd", "?").encode())

    def _header(self, entity: Entity, block: bytes) -> bytes:
        encoding = self.plan.encodings.get(entity.number)
        if not encoding:
            return block
        block = _ENCODING_FIELD.sub(b"", block)
        if entity.number == 0 and self.plan.charset:
            block += f'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="{self.plan.charset}"\r\n'.encode()
        return block + f"Content-Transfer-Encoding: {encoding}\r\n".encode()

    def _content(self, encoding: str, line: bytes) -> Iterator[bytes]:
        if encoding == "base64":
            self._base64 = (self._base64 or b"") + (b"\r\n" if self._last else b"") + line
            self._last = True
            whole = len(self._base64) // _BASE64_LINE * _BASE64_LINE
            for at in range(0, whole, _BASE64_LINE):
                yield binascii.b2a_base64(self._base64[at : at + _BASE64_LINE], newline=False) + b"\r\n"
            self._base64 = self._base64[whole:]
        elif encoding == "quoted-printable":
            for part in binascii.b2a_qp(line, istext=False).split(b"\n"):
                yield _wire(part)
        else:
            yield _wire(line)

    def _end_base64(self) -> Iterator[bytes]:
        if self._base64:
            yield binascii.b2a_base64(self._base64, newline=False) + b"\r\n"
        self._base64, self._last = None, False


def _wire(line: bytes) -> bytes:
    """Dot-stuffed (RFC 5321 4.5.2), with CRLF."""
    return (b"." + line if line.startswith(b".") else line) + b"\r\n"
