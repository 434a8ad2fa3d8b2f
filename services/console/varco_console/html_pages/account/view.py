"""An account's file, and the difference that it would make. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from varco_common.account_file.answers import losses
from varco_console.model import Person

_TONES = {"add": "good", "remove": "bad", "change": "warn"}


class OwnerPlan(NamedTuple):
    """What one owner would change, as of a version. `part` is the first section that it owns."""

    part: str
    version: int
    changes: tuple[Mapping[str, Any], ...]


class FileChange(NamedTuple):
    """One difference; `tone` is good, bad or warn."""

    text: str
    tone: str


class AccountEditor(NamedTuple):
    """The file of an account. `mistakes` say why it could not be compared or applied."""

    account: str
    text: str
    may_change: bool
    mistakes: tuple[str, ...] = ()


class Difference(NamedTuple):
    """What the file would change. `lost` is what it removes and destroys, in words.

    `versions` are those of the owners that would change something.
    """

    account: str
    text: str
    lines: tuple[FileChange, ...]
    lost: str
    warnings: tuple[str, ...]
    versions: str


def editor(person: Person, account: str, text: str, mistakes: str = "") -> AccountEditor:
    return AccountEditor(account, text, person.role.may_change, tuple(mistakes.splitlines()))


def difference(account: str, text: str, plans: Iterable[OwnerPlan], warnings: Iterable[str]) -> Difference:
    plans = [plan for plan in plans if plan.changes]
    changes = [change for plan in plans for change in plan.changes]
    return Difference(
        account=account,
        text=text,
        lines=tuple(FileChange(change["line"], _TONES[change["op"]]) for change in changes),
        lost=losses(changes),
        warnings=tuple(warnings),
        versions=" ".join(f"{plan.part}={plan.version}" for plan in plans),
    )
