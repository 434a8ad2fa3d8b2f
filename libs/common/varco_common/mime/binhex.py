"""The name inside a BinHex 4.0 file (RFC 1741), which old Mac clients unpack wherever it stands in a text."""

import re

BEGIN = re.compile(rb"\r\n\(This file must be converted with BinHex[^\r\n]{0,80}\r\n\s*:([^:]{1,512})")
END = b":\r\n"
_DIGITS = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_RUN = 0x90


def name_of(digits: bytes) -> bytes:
    """The file's name, from the first digits of the file; as far as it can be read."""
    plain = _expanded(_packed(digits))
    return plain[1 : 1 + plain[0]] if plain else b""


def _packed(digits: bytes) -> bytes:
    """Six bits each."""
    bits = count = 0
    for digit in digits.translate(None, b"\r\n \t"):
        if digit not in _VALUES:
            break
        bits, count = bits << 6 | _VALUES[digit], count + 6
    return (bits >> count % 8).to_bytes(count // 8, "big")


def _expanded(packed: bytes) -> bytes:
    """Runs: the byte before is repeated so often in all; 0 stands for the mark itself."""
    plain, at = bytearray(), 0
    while at < len(packed):
        if packed[at] != _RUN or at + 1 == len(packed):
            plain.append(packed[at])
            at += 1
            continue
        if times := packed[at + 1]:
            plain += plain[-1:] * (times - 1)
        else:
            plain.append(_RUN)
        at += 2
    return bytes(plain)
