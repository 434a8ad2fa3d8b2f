"""The texts that mail clients read from the raw bytes of one value."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

from varco_common.mime.encoded_words import decode_encoded_words, has_encoded_words, to_text

_FOLD = re.compile(rb"\r\n[ \t]*")


def text_readings(raw: bytes) -> Iterator[str]:
    """Readings with folds as blanks or dropped, encoded words, UTF-8, Latin-1, percent signs."""
    for value in _unfoldings(raw) if b"\r\n" in raw else (raw,):
        if has_encoded_words(value):
            yield decode_encoded_words(value)
            if b" " in value or b"\t" in value:  # an encoded word that was split at blanks
                yield decode_encoded_words(b"".join(value.split()))
            continue
        yield to_text(value)
        if not value.isascii():
            yield value.decode("latin-1")
        if b"%" in value:
            yield to_text(unquote_to_bytes(value))


def _unfoldings(raw: bytes) -> Iterable[bytes]:
    return dict.fromkeys((_FOLD.sub(b" ", raw), raw.replace(b"\r\n", b""), _FOLD.sub(b"", raw)))
