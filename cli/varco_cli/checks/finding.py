"""One thing that would go wrong: where it is, what it is, and what to write instead."""

from collections.abc import Iterable

import msgspec

from varco_common.base.settings import BrokenSetting


class CheckFinding(msgspec.Struct, frozen=True, kw_only=True):
    """`where` is a file with its line, or a variable's origin.

    A gate starts in spite of a warning.
    """

    where: str
    what: str
    write: str
    warning: bool = False

    @property
    def line(self) -> str:
        return f"{self.where}: {self.what}: {self.write}"


def of_broken(where: str, error: BrokenSetting) -> CheckFinding:
    """Returns the finding for a value that a settings class refuses."""
    what, _, expected = str(error).partition(": expected ")
    return CheckFinding(where=where, what=what, write=f"expected {expected}")


def distinct(findings: Iterable[CheckFinding]) -> list[CheckFinding]:
    """Returns each finding once, the warnings last."""
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.warning)
