"""The DKIM-Signature field (RFC 6376 3.5). Pure."""

import base64
import textwrap
from collections.abc import Callable
from functools import lru_cache

from varco_relay.dkim.canonical import relaxed_field
from varco_relay.dkim.header import name_of

# Signed once more often than they are there, so that nobody can add one (RFC 6376 8.15).
OVERSIGNED = (b"from", b"subject", b"date", b"to", b"message-id", b"mime-version", b"content-type")
SIGNED = (*OVERSIGNED, b"cc", b"reply-to", b"in-reply-to", b"references", b"content-transfer-encoding")
_COLUMNS = 76

Sign = Callable[[bytes], bytes]
"""From the canonical header to the signature."""


def signed_names(fields: list[bytes]) -> list[bytes]:
    """The names of `h=`, each as often as it is signed."""
    present = [name_of(field) for field in fields]
    return [name for name in SIGNED for _ in range(present.count(name) + (name in OVERSIGNED))]


def signature_field(
    fields: list[bytes], body_hash: bytes, *, algorithm: str, domain: str, selector: str, at: int, sign: Sign
) -> bytes:
    """The field for these fields and this body, folded, with its CRLF. `at` is in seconds."""
    names = signed_names(fields)
    tags = (
        f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; s={selector}; t={at};",
        f"d={domain};",
        _folded(b":".join(names).decode()),
        f"bh={base64.b64encode(body_hash).decode()};",
        "b=",
    )
    field = "\r\n\t".join(tags).encode()
    signature = base64.b64encode(sign(_signed_data(fields, names, field)))
    lines = [signature[start : start + _COLUMNS] for start in range(0, len(signature), _COLUMNS)]
    return field + b"\r\n\t ".join(lines) + b"\r\n"


@lru_cache(256)  # few mails differ in it, and folding takes as long as hashing
def _folded(names: str) -> str:
    """`h=`, broken at its colons."""
    words = textwrap.wrap(f"h={names};".replace(":", ": "), _COLUMNS, break_on_hyphens=False)
    return "\r\n\t ".join(word.replace(": ", ":") for word in words)


def _signed_data(fields: list[bytes], names: list[bytes], field: bytes) -> bytes:
    """RFC 6376 5.4.2: of several fields with a name, the last one first; missing ones are empty."""
    waiting: dict[bytes, list[bytes]] = {}
    for present in fields:
        waiting.setdefault(name_of(present), []).append(present)
    chosen = [waiting[name].pop() for name in names if waiting.get(name)]
    return b"".join(relaxed_field(present) + b"\r\n" for present in chosen) + relaxed_field(field)
