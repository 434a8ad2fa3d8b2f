"""Text of clients that do not say in which charset it is, such as logins and passwords."""

from contextlib import suppress


def decode_client_text(raw: bytes) -> str:
    """UTF-8 (RFC 4616 2), or else what older clients on Windows send instead."""
    for charset in ("utf-8", "cp1252"):
        with suppress(UnicodeDecodeError):
            return raw.decode(charset)
    return raw.decode("latin-1")
