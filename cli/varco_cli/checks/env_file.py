"""Reads which variables a file of settings sets, and in which line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*[=:]\s*(.*)")


class Assignment(NamedTuple):
    """One line that sets a variable. `where` is the file with the line's number."""

    name: str
    value: str
    where: str


def assignments(file: Path, shown: str = "") -> list[Assignment]:
    """Returns the assignments in their order; the last one of a name counts. Raises OSError.

    `shown` is what people call the file.
    """
    lines = file.read_text(errors="replace").splitlines()
    matches = ((number, _ASSIGNMENT.match(line)) for number, line in enumerate(lines, 1))
    return [
        Assignment(match[1], _unquoted(match[2].strip()), f"{shown or file}:{number}")
        for number, match in matches
        if match
    ]


def _unquoted(text: str) -> str:
    quoted = re.fullmatch(r"([\"'])(.*)\1(\s+#.*)?", text)
    return quoted[2] if quoted else text.partition(" #")[0].rstrip()


def origin(name: str, *files: Sequence[Assignment]) -> str:
    """Says where a variable is set: in the first of the files that sets it; empty if in none."""
    for file in files:
        for assignment in reversed(file):
            if assignment.name == name:
                return assignment.where
    return ""
