"""Undoes a part's transfer encoding piece by piece: what goes in is wire form, what comes out is the file."""

import binascii
from typing import Protocol

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(char for char in range(256) if char not in _BASE64)


class TransferDecoder(Protocol):
    """Fed with pieces in their order, then ended once."""

    def feed(self, piece: bytes) -> bytes: ...
    def end(self) -> bytes: ...


def decoder(encoding: str) -> TransferDecoder:
    """For base64, quoted-printable, and what stands as it is."""
    if encoding == "base64":
        return _Base64()
    return _Lines(quoted=encoding == "quoted-printable")


class _Base64:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        piece = self._rest + piece
        cut = piece.rfind(b"\r\n") + 2
        if cut > 2:
            try:
                plain = binascii.a2b_base64(
                    piece[:cut]
                )  # whole lines are whole groups, as nearly everybody writes them
            except binascii.Error:
                return self._fed(piece)
            self._rest = piece[cut:]
            return plain
        return self._fed(piece)

    def _fed(self, piece: bytes) -> bytes:
        digits = piece.translate(None, _NOT_BASE64)
        whole = len(digits) & ~3
        self._rest = digits[whole:]
        return binascii.a2b_base64(digits[:whole])

    def end(self) -> bytes:
        digits = self._rest.translate(None, _NOT_BASE64)
        digits = digits if len(digits) % 4 != 1 else digits[:-1]  # six bits are no byte
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


class _Lines:
    """Whole lines at a time: a doubled dot stands at a line's start (RFC 5321 4.5.2), a soft break at its end."""

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        piece = self._rest + piece
        cut = piece.rfind(b"\r\n") + 2
        if cut < 2:
            self._rest = piece
            return b""
        self._rest = piece[cut:]
        return self._plain(piece[:cut])

    def end(self) -> bytes:
        return self._plain(self._rest)

    def _plain(self, lines: bytes) -> bytes:
        lines = lines.removeprefix(b".") if lines.startswith(b"..") else lines
        lines = lines.replace(b"\r\n..", b"\r\n.")
        return binascii.a2b_qp(lines) if self._quoted else lines
