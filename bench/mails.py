"""Mails to send, as bytes in wire form: a few lines of their own around a body that all share."""

import base64
import mimetypes
import random
import secrets
import time

from bench.workloads import Workload

END = b".\r\n"
_LINE = 72
_SIGNATURES = {"pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "exe": b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"}


def prose(size: int) -> bytes:
    """Returns `size` bytes of text in CRLF lines without a leading dot; always the same."""
    dice = random.Random(size)
    words = [f"{dice.getrandbits(bits):x}" for bits in (8, 12, 16, 24, 32) for _ in range(60)]
    lines = (" ".join(dice.choices(words, k=14))[:_LINE] for _ in range(size // 20 + 1))
    text = "\r\n".join(lines).encode()[: size - 2]
    return text.removesuffix(b"\r").ljust(size - 2, b"x") + b"\r\n"


def encoded(name: str, size: int) -> bytes:
    """Returns `size` bytes in base64 lines of CRLF that look like a file of that name."""
    signature = _SIGNATURES.get(name.rpartition(".")[2], b"")
    raw = signature + random.Random(name).randbytes(size - len(signature))
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")


class Mails:
    """The mails of one run.

    No two are equal, so that no gate gains from seeing a mail twice.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._run = secrets.token_hex(6)
        self._date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        self._before, self.shared = self._parts()

    def sender(self, number: int) -> str:
        return self._workload.sender.replace("{n}", str(number % 500))

    def recipient(self, number: int) -> str:
        return self._workload.recipient.replace("{n}", str(number % 1000))

    def pieces(self, number: int) -> list[bytes]:
        """Yields what follows the 354: the mail's own lines, the shared body, the end of data."""
        return [self._own(number), self.shared, END]

    def _own(self, number: int) -> bytes:
        return (
            f"From: <{self.sender(number)}>\r\nTo: <{self.recipient(number)}>\r\nSubject: bench {number}\r\n"
            f"Date: {self._date}\r\nMessage-ID: <{number}.{self._run}@bench.test>\r\n{self._before}"
            f"mail {number} of run {self._run}\r\n"
        ).encode()

    def _parts(self) -> tuple[str, bytes]:
        """Returns the shared header up to the first line of the text, and the rest."""
        name, text = self._workload.attachment, prose(self._workload.size)
        plain = "Content-Type: text/plain; charset=utf-8\r\n\r\n"
        if not name:
            return f"MIME-Version: 1.0\r\n{plain}", text
        edge = f"=_{self._run}"
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        attached = (
            f'--{edge}\r\nContent-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
        )
        before = f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{edge}"\r\n\r\n--{edge}\r\n{plain}'
        file = encoded(name, self._workload.attachment_size)
        return before, b"\r\n".join((text, attached.encode() + file + f"--{edge}--\r\n".encode()))
