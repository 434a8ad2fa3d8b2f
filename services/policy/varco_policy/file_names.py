"""The extensions in a file name, as mail clients and Windows read it. Pure."""

import re
import unicodedata
from collections.abc import Iterator

_INNER = re.compile(r"\.([^.:/\\\0]*+)(?=([.:/\\\0]))")  # between a dot and the next separator
_HIDING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2067\u200f\u061c")  # they turn the direction
_PATH = re.compile(r"[/\\]")


def extension(name: str) -> str:
    """The extension by which a client opens the file: lower case, without the dot, or empty.

    Directories, trailing dots and blanks, and invisible characters are left out, as Windows and
    clients do.
    """
    base = _PATH.split(_visible(name).replace("\0", ""))[-1].rstrip(". ")
    return base.rpartition(".")[2].strip().lower() if "." in base else ""


def hidden_extensions(name: str) -> Iterator[str]:
    """The extensions before the last one that the name hides, or that end it for some clients.

    Blanks, NUL, colon and slash hide one. Control characters and marks of direction hide all.
    `Vue.js.pdf` hides none.
    """
    tricky = any(c in _HIDING or unicodedata.category(c) == "Cc" for c in name) if not _is_plain(name) else False
    for text, end in _INNER.findall(_visible(name)):
        inner = text.strip()
        if tricky or end != "." or (inner and not text.endswith(inner)):  # blanks behind it
            yield inner.lower()


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


def _visible(name: str) -> str:
    """Without invisible characters (except NUL); with plain letters and dots for look-alikes."""
    if _is_plain(name):
        return name
    visible = "".join(c for c in name if c == "\0" or c.isspace() or unicodedata.category(c)[0] != "C")
    return unicodedata.normalize("NFKC", visible)
