"""Decodes a part's content piece by piece, from wire form to the bytes of the file. Pure."""

import binascii
from typing import Protocol

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(char for char in range(256) if char not in _BASE64)


class TransferDecoder(Protocol):
    """Takes the pieces in order, then `end` once."""

    def feed(self, piece: bytes) -> bytes: ...
    def end(self) -> bytes: ...


def decoder(encoding: str) -> TransferDecoder:
    """For base64 and quoted-printable; any other encoding leaves the bytes as they are."""
    if encoding == "base64":
        return _Base64()
    return _Lines(quoted=encoding == "quoted-printable")


class _Base64:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        piece = self._rest + piece
        end = piece.rfind(b"\r\n") + 2
        if end > 2:
            try:  # fast: nearly every sender puts whole groups of four on a line
                plain = binascii.a2b_base64(piece[:end])
            except binascii.Error:
                return self._decode_groups(piece)
            self._rest = piece[end:]
            return plain
        return self._decode_groups(piece)

    def _decode_groups(self, piece: bytes) -> bytes:
        digits = piece.translate(None, _NOT_BASE64)
        whole = len(digits) & ~3
        self._rest = digits[whole:]
        return binascii.a2b_base64(digits[:whole])

    def end(self) -> bytes:
        digits = self._rest.translate(None, _NOT_BASE64)
        digits = digits if len(digits) % 4 != 1 else digits[:-1]  # six bits are no byte
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


class _Lines:
    """Decodes whole lines, since dots are doubled at their start (RFC 5321 4.5.2)."""

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        piece = self._rest + piece
        end = piece.rfind(b"\r\n") + 2
        if end < 2:
            self._rest = piece
            return b""
        self._rest = piece[end:]
        return self._decode(piece[:end])

    def end(self) -> bytes:
        return self._decode(self._rest)

    def _decode(self, lines: bytes) -> bytes:
        lines = lines.removeprefix(b".") if lines.startswith(b"..") else lines
        lines = lines.replace(b"\r\n..", b"\r\n.")
        return binascii.a2b_qp(lines) if self._quoted else lines
