"""Commands that change settings: who asks, what would change, and the event that makes it so.

Pure.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from varco_common.events import Event

S = TypeVar("S")
E = TypeVar("E", bound=Event)
Op = Literal["add", "remove", "change"]

_SIGNS: dict[Op, str] = {"add": "+", "remove": "-", "change": "~"}


class Change(NamedTuple):
    """One difference between the settings that hold and those that are asked for.

    `section` and `key` name the setting, `detail` describes the difference for people, and `event`
    makes it so. `removes` names the entries that leave a list, such as `sender @acme.example`.
    `destroys` names data that can't be brought back. `also` is stored before `event`.
    """

    op: Op
    section: str
    key: str
    detail: str
    event: Event
    removes: tuple[str, ...] = ()
    destroys: str = ""
    also: Event | None = None

    @property
    def line(self) -> str:
        """For people: `+ sender @acme.example`."""
        destroys = f"(destroys {self.destroys})" if self.destroys else ""
        return " ".join(filter(None, (_SIGNS[self.op], self.section, self.key, self.detail, destroys)))


class CommandRequest(NamedTuple):
    """Who asks, why, and which version of the settings they have seen (None: any).

    With `dry_run` the answer only says what would change.
    """

    by: str
    is_admin: bool = True
    reason: str = ""
    expected_version: int | None = None
    dry_run: bool = False


class CommandContext(NamedTuple):
    """Which account's settings are changed, when, by whom and why: the fields that events share."""

    account: str
    at: datetime
    by: str
    reason: str = ""

    def event(self, kind: type[E], **fields: Any) -> E:
        """An event with those of the shared fields that its kind has."""
        shared = {name: value for name, value in self._asdict().items() if name in kind.__struct_fields__}
        return kind(**shared | fields)


class CommandResult(NamedTuple):
    """What was changed; with `applied` False, what would be.

    `version` is that of the settings after it.
    """

    account: str
    applied: bool
    version: int
    changes: list[Change]


Decide = Callable[[S | None, CommandContext], list[Change]]
"""From the newest state of an account (None: there is none) to the changes."""
