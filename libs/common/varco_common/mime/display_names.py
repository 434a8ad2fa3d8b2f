"""Addresses inside the names of From and Sender: some clients show nothing else of a sender."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

from varco_common.mime.encoded_words import decode_encoded_words
from varco_common.mime.headers import MAX_FIELD, unfold

MAX_DISPLAYED = 32
_WORD_ENDS = re.compile(r"[\s<>()\[\]{},;:|/\\\"'`\u2018-\u201f\u2039\u203a\xab\xbb]+")
_HOST = re.compile(r"[\w.-]++")
_LAST_LABEL = re.compile(r"xn--[\w-]++|[^\W\d_]{2,}+")


def displayed_addresses(values: Iterable[bytes], authors: Iterable[str]) -> tuple[str, ...]:
    """Addresses anywhere in the values of the fields, except the `authors`; one too many at most.

    An address here is what a person takes for one: a word with an @ and a host name with a dot.
    """
    known = {author.lower() for author in authors}
    found: dict[str, None] = {}
    for value in values:
        if value.count(b"@") == 1 and b"=?" not in value and value.isascii():
            continue  # nearly all mails: there is only the author's
        for address in _addresses(_visible(decode_encoded_words(unfold(value[:MAX_FIELD])))):
            if address.lower() not in known:
                found[address] = None
            if len(found) > MAX_DISPLAYED:
                return tuple(found)
    return tuple(found)


def _visible(text: str) -> str:
    """As people see it: no invisible characters, and plain signs for wide ones, such as U+FF20."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", "".join(sign for sign in text if unicodedata.category(sign) != "Cf"))


def _addresses(text: str) -> Iterator[str]:
    for word in _WORD_ENDS.split(text):
        if "@" not in word:
            continue
        for local, rest in pairwise(word.split("@")):
            host = _HOST.match(rest)
            domain = host[0].rstrip(".-_") if host else ""
            _, dot, last = domain.rpartition(".")
            if 0 < len(local) <= 64 and dot and len(domain) <= 255 and _LAST_LABEL.fullmatch(last):
                yield f"{local}@{domain}"
