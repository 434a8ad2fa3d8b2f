"""The document inside a signed PKCS #7 file (`contract.pdf.p7m`): RFC 5652 5, in BER."""

import re
from collections.abc import Iterable

_LENGTH = rb"(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)"
# SignedData with encapContentInfo: id-data, [0], and perhaps the start of a divided OCTET STRING.
_CONTENT = re.compile(
    rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02.*?\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0"
    + _LENGTH
    + rb"(?:\x24"
    + _LENGTH
    + rb")?(?=\x04)",
    re.DOTALL,
)
_OCTETS = re.compile(rb"\x04(" + _LENGTH + rb")", re.DOTALL)
_SUFFIX = re.compile(r"(?i)\.p7[mcsb]\Z")


def signed_content(sample: bytes) -> bytes:
    """The first bytes of the signed document in the file's first bytes; empty if it has none."""
    start = _CONTENT.search(sample)
    if not start:
        return b""
    pieces: list[bytes] = []
    at = start.end()
    while octets := _OCTETS.match(sample, at):
        at = octets.end() + _length(octets[1])
        pieces.append(sample[octets.end() : at])
    return b"".join(pieces)


def inner_names(names: Iterable[str]) -> tuple[str, ...]:
    """`contract.pdf` of `contract.pdf.p7m`; nothing of `smime.p7m`, which names no document."""
    inner = [_SUFFIX.sub("", name) for name in names if _SUFFIX.search(name)]
    return tuple(name for name in inner if "." in name)


def _length(raw: bytes) -> int:
    return raw[0] if len(raw) == 1 else int.from_bytes(raw[1:], "big")
