"""Mails to scan, and the files that a manifest names."""

import binascii

from varco_common.mime.scanner import scan_or_raise

FROM = b"From: a@b.example\r\n"
MIXED = FROM + b"Content-Type: multipart/mixed; boundary=X\r\n\r\n"
EXE = b"MZ\x90\0\x03\0\0\0" + bytes(50)
UUENCODED = b"begin 644 a.exe\r\n" + binascii.b2a_uu(EXE[:45]).replace(b"\n", b"\r\n") + b"`\r\nend\r\n"


def files(mail: bytes) -> list[tuple[str, tuple[str, ...], str, str]]:
    return [(part.path, part.names, part.encoding, part.kind) for part in scan_or_raise(mail).parts[1:]]


def binhexed(name: bytes, written: bytes = b"") -> bytes:
    """The digits of a name, as it is or as it is `written` with runs, and of what the file's header
    says besides.
    """
    digits = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
    packed = bytes([len(name)]) + (written or name) + bytes(21)
    bits = "".join(f"{byte:08b}" for byte in packed)
    return bytes(digits[int(bits[at : at + 6].ljust(6, "0"), 2)] for at in range(0, len(bits), 6))
