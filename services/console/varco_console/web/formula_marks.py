"""The text of a cell that no spreadsheet computes. Pure."""

import re

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_BEFORE_FORMULA = re.compile(r'(?<![\s;"])[\s;"]++(?=[=+\-@])')
_SEPARATORS = frozenset(";\t\r\n")


def as_text(cell: object) -> str:
    """Marks each formula with ', also inside: where lists have semicolons a cell is split there."""
    text = _BEFORE_FORMULA.sub(_marked, str(cell))
    return f"'{text}" if text.startswith(_FORMULAS) else text


def without_mark(cell: str) -> str:
    """The text of a cell that `as_text` may have marked at its beginning."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULAS) else cell


def _marked(gap: re.Match[str]) -> str:
    return gap[0] if _SEPARATORS.isdisjoint(gap[0]) else f"{gap[0]}'"
