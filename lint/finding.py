"""What a check reports."""

from pathlib import Path
from typing import NamedTuple


class Finding(NamedTuple):
    """A broken rule, in one line of a file."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"
