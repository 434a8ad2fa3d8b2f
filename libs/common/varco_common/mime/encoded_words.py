"""Bytes to text: charsets, and RFC 2047 encoded words."""

import binascii
import re
from encodings import aliases, normalize_encoding

_KNOWN = frozenset(aliases.aliases) | frozenset(aliases.aliases.values()) | {"koi8_u", "cp874", "cp737", "utf_8_sig"}
_NOT_TEXT = frozenset({"unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined"})
_WORD = re.compile(rb"=\?([^?]{0,80})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN = re.compile(rb"(?<=\?=)\s+(?==\?)")  # RFC 2047 6.2: blanks between two words are dropped
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(c for c in range(256) if c not in BASE64)


def to_text(raw: bytes) -> str:
    """`raw` as UTF-8, or as Latin-1 if it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def decode_charset(raw: bytes, charset: str) -> str | None:
    """`raw` in the named charset, with replacements; None if Python has no such charset."""
    name = normalize_encoding(charset.partition("*")[0].lower().removesuffix("-i"))  # RFC 2231 5: a language after *
    if name in ("utf_8", "utf8"):
        return raw.decode("utf-8", "replace")
    if name not in _KNOWN or name in _NOT_TEXT:
        return None
    try:
        return replace_surrogates(raw.decode(name, "replace"))
    except (LookupError, ValueError):
        return None  # a codec for bytes, such as base64


def replace_surrogates(value: str) -> str:
    """Replaces lone surrogates, which JSON cannot hold."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def has_encoded_words(raw: bytes) -> bool:
    return b"=?" in raw and _WORD.search(raw) is not None


def decode_encoded_words(raw: bytes) -> str:
    """Decodes RFC 2047 words anywhere in `raw`, also characters that are split over two words."""
    if b"=?" not in raw:
        return to_text(raw)
    raw = _BETWEEN.sub(b"", raw)
    runs: list[tuple[str, bytearray]] = []  # charset (empty: none) and its bytes
    done = 0
    for word in _WORD.finditer(raw):
        _append(runs, "", raw[done : word.start()])
        _append(runs, word[1].decode("latin-1").lower(), _word_bytes(word[2], word[3]))
        done = word.end()
    _append(runs, "", raw[done:])
    return "".join([_run_text(charset, bytes(run)) for charset, run in runs])


def _append(runs: list[tuple[str, bytearray]], charset: str, raw: bytes) -> None:
    if runs and runs[-1][0] == charset:
        runs[-1][1].extend(raw)
    elif raw:
        runs.append((charset, bytearray(raw)))


def _run_text(charset: str, raw: bytes) -> str:
    decoded = decode_charset(raw, charset) if charset else None
    return to_text(raw) if decoded is None else decoded


def _word_bytes(encoding: bytes, payload: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(payload.replace(b"_", b" "), header=True)
    return base64_bytes(payload)


def base64_bytes(payload: bytes) -> bytes:
    """Decodes the base64 digits in `payload`; ignores all other characters and padding."""
    clean = payload.translate(None, _NOT_BASE64)
    whole, odd = divmod(len(clean), 4)
    clean = clean[: whole * 4] if odd == 1 else clean + b"=" * (-odd % 4)
    return binascii.a2b_base64(clean)
