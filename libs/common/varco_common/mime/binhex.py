"""The name in a BinHex 4.0 file (RFC 1741). Old Mac clients unpack one anywhere in a text."""

import re

BEGIN = re.compile(rb"\r\n\(This file must be converted with BinHex[^\r\n]{0,80}\r\n\s*:([^:]{1,512})")
END = b":\r\n"
_DIGITS = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_RUN = 0x90


def file_name(digits: bytes) -> bytes:
    """The file's name, from the first digits of the file, as far as it can be read."""
    content = _expanded(_packed(digits))
    return content[1 : 1 + content[0]] if content else b""


def _packed(digits: bytes) -> bytes:
    """Each digit is six bits."""
    bits = count = 0
    for digit in digits.translate(None, b"\r\n \t"):
        if digit not in _VALUES:
            break
        bits, count = bits << 6 | _VALUES[digit], count + 6
    return (bits >> count % 8).to_bytes(count // 8, "big")


def _expanded(packed: bytes) -> bytes:
    """Expands runs: after the mark comes the total count of the byte before it.

    0 is the mark itself.
    """
    expanded, at = bytearray(), 0
    while at < len(packed):
        if packed[at] != _RUN or at + 1 == len(packed):
            expanded.append(packed[at])
            at += 1
            continue
        if times := packed[at + 1]:
            expanded += expanded[-1:] * (times - 1)
        else:
            expanded.append(_RUN)
        at += 2
    return bytes(expanded)
