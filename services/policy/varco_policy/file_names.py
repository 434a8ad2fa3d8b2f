"""The extensions in a file name, as mail clients and Windows read it. Pure."""

import re
import unicodedata
from collections.abc import Iterator

_INNER = re.compile(r"\.\s*([^.:/\\\0]*?)\s*(?=[.:/\\\0])")  # between a dot and the next separator
_PATH = re.compile(r"[/\\]")


def extension(name: str) -> str:
    """The extension by which a client opens the file: lower case, without the dot, or empty.

    Directories, trailing dots and blanks, and invisible characters are left out, as Windows and
    clients do.
    """
    base = _PATH.split(_visible(name).replace("\0", ""))[-1].rstrip(". ")
    return base.rpartition(".")[2].strip().lower() if "." in base else ""


def inner_extensions(name: str) -> Iterator[str]:
    """The extensions before the last one, and before characters that end it for some clients."""
    return (inner.lower() for inner in _INNER.findall(_visible(name)))


def _visible(name: str) -> str:
    """Without invisible characters (except NUL); with plain letters and dots for look-alikes."""
    if name.isascii() and name.isprintable():
        return name
    visible = "".join(c for c in name if c == "\0" or c.isspace() or unicodedata.category(c)[0] != "C")
    return unicodedata.normalize("NFKC", visible)
